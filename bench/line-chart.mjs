import { mebibytes } from './format.mjs';

/** Lines of `[name, field, unit?]` as SVG, each scaled to its own largest value. */
export function lineChart(title, history, [label, axis], lines) {
  const [left, top, width, height] = [60, 74, 640, 260];
  const colours = ['#2b6cb0', '#dd6b20', '#38a169', '#805ad5'];
  const last = history.at(-1)[axis] || 1;
  const x = (value) => (left + (value / last) * width).toFixed(1);
  const drawn = lines.map(([name, field, unit = ''], index) => {
    const most = Math.max(...history.map((each) => each[field]), Number.MIN_VALUE);
    const points = history.map((each) => {
      const y = top + height - (each[field] / most) * height * 0.95;
      return `${x(each[axis])},${y.toFixed(1)}`;
    });
    const largest = (unit === 'MiB' ? mebibytes(most) : most).toFixed(1);
    const legend =
      `<rect x="${left + index * 215}" y="36" width="12" height="12" fill="${colours[index]}"/>` +
      `<text x="${left + index * 215 + 17}" y="46">${name} (at most ${largest} ${unit})</text>`;
    return `${legend}<polyline points="${points.join(' ')}" fill="none" stroke="${colours[index]}" stroke-width="1.5"/>`;
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = last * share;
    return `<text x="${x(value)}" y="${top + height + 18}" text-anchor="middle">${Math.round(value).toLocaleString('en')}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 60}" height="${top + height + 48}" font-family="sans-serif" font-size="12">`,
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="${left}" y="20" font-size="14">${title}</text>`,
    `<path d="M${left} ${top}V${top + height}H${left + width}" fill="none" stroke="#444"/>`,
    ...ticks,
    `<text x="${left + width / 2}" y="${top + height + 38}" text-anchor="middle">${label}</text>`,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

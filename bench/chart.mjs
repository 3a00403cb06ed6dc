/** Horizontal bars as SVG. `groups` has `{ name, value, label? }` by series; a line stands at `mark`. */
export function barChart(title, groups, mark) {
  const series = Object.keys(groups);
  const colours = ['#2b6cb0', '#dd6b20', '#38a169', '#805ad5'];
  const names = groups[series[0]].map(({ name }) => name);
  const largest = Math.max(
    1,
    ...Object.values(groups)
      .flat()
      .map(({ value }) => value),
  );
  const left = 190;
  const width = 520;
  const barHeight = 13;
  const rowHeight = barHeight * series.length + 12;
  const top = 64;
  const scale = (value) => (value / largest) * width;
  const parts = names.flatMap((name, row) => {
    const y = top + row * rowHeight;
    const label = `<text x="${left - 8}" y="${y + rowHeight / 2 - 2}" text-anchor="end">${escape(name)}</text>`;
    const bars = series.map((key, index) => {
      const { value, label: text = value.toFixed(2) } = groups[key][row];
      const barTop = y + index * barHeight;
      return (
        `<rect x="${left}" y="${barTop}" width="${scale(value).toFixed(1)}" height="${barHeight - 2}" fill="${colours[index]}"/>` +
        `<text x="${(left + scale(value) + 4).toFixed(1)}" y="${barTop + barHeight - 3}" class="small">${escape(text)}</text>`
      );
    });
    return [label, ...bars];
  });
  const height = top + names.length * rowHeight + 16;
  const at = mark === undefined ? undefined : (left + scale(mark)).toFixed(1);
  const legend = series.map(
    (key, index) =>
      `<rect x="${left + index * 110}" y="34" width="12" height="12" fill="${colours[index]}"/>` +
      `<text x="${left + index * 110 + 17}" y="44">${escape(key)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 60}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<style>.small{font-size:10px;fill:#444}</style>',
    '<rect width="100%" height="100%" fill="white"/>',
    `<text x="${left}" y="20" font-size="14">${escape(title)}</text>`,
    ...legend,
    ...(at === undefined
      ? []
      : [
          `<line x1="${at}" x2="${at}" y1="${top - 8}" y2="${height - 12}" stroke="#999" stroke-dasharray="3 3"/>`,
        ]),
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

// Draws sequence diagrams: docs/pictures/NAME.txt becomes NAME.svg.
//
//   # A title
//   Caller | Server            participants, from left to right
//   Caller -> Server: text     a message; --> is dashed, -x gets lost
//   Server: text               an event
//   ---: text                  a line across
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const pictures = fileURLToPath(new URL('../../docs/pictures/', import.meta.url));
const COLUMN = 260;
const MARGIN = 120;
const TOP = 64;
const ROW = 44;
const STYLE = `
    text { fill: #1f2328; text-anchor: middle; }
    .name { font-weight: 600; }
    .box { fill: #ddf4ff; stroke: #0969da; }
    .note { fill: #fff8c5; stroke: #9a6700; }
    .life { stroke: #8c959f; stroke-dasharray: 4 4; }
    .message { stroke: #57606a; stroke-width: 1.4; marker-end: url(#tip); }
    .lost { stroke: #cf222e; marker-end: url(#cross); }
    .dashed { stroke-dasharray: 6 4; }
    #tip path { fill: #57606a; }
    #cross path { stroke: #cf222e; stroke-width: 1.6; fill: none; }
    .phase { fill: #57606a; font-size: 12px; text-anchor: start; }
    .rule { stroke: #8c959f; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .box { fill: #0c2d48; stroke: #4493f8; }
      .note { fill: #3a2d00; stroke: #d29922; }
      .message { stroke: #9198a1; }
      .lost { stroke: #f85149; }
      #tip path { fill: #9198a1; }
      #cross path { stroke: #f85149; }
      .phase { fill: #9198a1; }
    }
  `;

for (const file of readdirSync(pictures).filter((name) => name.endsWith('.txt'))) {
  const svg = draw(readFileSync(join(pictures, file), 'utf8'));
  writeFileSync(join(pictures, file.replace('.txt', '.svg')), svg);
}

function draw(text) {
  const [title, participants, ...rows] = text.split('\n').filter((line) => line.trim() !== '');
  const names = participants.split('|').map((name) => name.trim());
  const width = MARGIN * 2 + COLUMN * (names.length - 1);
  const height = TOP + ROW * rows.length + 24;
  const x = (name) => {
    const index = names.indexOf(name.trim());
    if (index < 0) throw new Error(`no participant '${name}' in ${title}`);
    return MARGIN + COLUMN * index;
  };
  const shapes = names.flatMap((name) => [
    `<line class="life" x1="${x(name)}" y1="48" x2="${x(name)}" y2="${height - 12}"/>`,
    `<rect class="box" x="${x(name) - 80}" y="12" width="160" height="34" rx="6"/>`,
    label(x(name), 34, name, 'name'),
  ]);
  rows.forEach((row, index) => shapes.push(...drawRow(row, TOP + ROW * (index + 0.75), x, width)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-labelledby="title">
  <title id="title">${escaped(title.replace(/^# /, ''))}</title>
  <style>${STYLE}</style>
  <defs>
    <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z"/></marker>
    <marker id="cross" viewBox="0 0 8 8" refX="4" refY="4" markerWidth="10" markerHeight="10"><path d="M1 1 7 7M7 1 1 7"/></marker>
  </defs>
  ${shapes.join('\n  ')}
</svg>
`;
}

function drawRow(row, y, x, width) {
  const colon = row.indexOf(':');
  const [subject, text] = [row.slice(0, colon), row.slice(colon + 1).trim()];
  if (subject === '---') {
    return [
      `<line class="rule" x1="8" y1="${y + 4}" x2="${width - 8}" y2="${y + 4}"/>`,
      label(8, y - 4, text, 'phase'),
    ];
  }
  const [, from, arrow, to] = /^(.+?) (-->|->|-x) (.+)$/.exec(subject) ?? [];
  if (from === undefined) {
    const half = text.length * 3.5 + 12;
    return [
      `<rect class="note" x="${x(subject) - half}" y="${y - 16}" width="${half * 2}" height="26" rx="4"/>`,
      label(x(subject), y + 2, text),
    ];
  }
  const [start, goal] = [x(from), x(to)];
  const end = arrow === '-x' ? start + (goal - start) * 0.7 : goal - Math.sign(goal - start) * 2;
  const classes = ['message', arrow === '-->' && 'dashed', arrow === '-x' && 'lost'];
  return [
    `<line class="${classes.filter(Boolean).join(' ')}" x1="${start}" y1="${y + 6}" x2="${end}" y2="${y + 6}"/>`,
    label((start + goal) / 2, y - 2, text),
  ];
}

function label(x, y, text, name) {
  return `<text${name === undefined ? '' : ` class="${name}"`} x="${x}" y="${y}">${escaped(text)}</text>`;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

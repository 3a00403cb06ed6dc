import { cpus } from 'node:os';

export const ranWith = (name) =>
  `\`npm run bench -- ${name}\`, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ` +
  `${cpus().length} × ${cpus()[0]?.model.trim() ?? process.arch}.`;

/** Numbers get a few significant digits. */
export function table(heads, rows, places = 3) {
  const cell = (value) => (typeof value === 'number' ? digits(value, places) : (value ?? '–'));
  return [
    `| ${heads.join(' | ')} |`,
    `| --- |${' --: |'.repeat(heads.length - 1)}`,
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
    '',
  ].join('\n');
}

/** All digits before the point from 1,000 on. */
export function digits(value, places = 3) {
  if (Number.isNaN(value)) return '–';
  return value >= 1000 ? count(value) : String(Number(value.toPrecision(places)));
}

export const count = (value) => Math.round(value).toLocaleString('en');

export const percent = (share) => `${(share * 100).toFixed(0)} %`;

const MEBIBYTE = 1024 * 1024;
export const mebibytes = (bytes) => bytes / MEBIBYTE;

/** The largest values in equal parts of a history. */
export function mostOf(history, field, parts = 2) {
  return Array.from({ length: parts }, (_, part) => {
    const [from, to] = [part, part + 1].map((end) => Math.floor((history.length * end) / parts));
    return Math.max(...history.slice(from, to).map((each) => each[field]));
  });
}

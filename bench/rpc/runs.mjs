import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { digits, percent } from '../format.mjs';
import { cpuOf, halfOfRange, median } from './statistics.mjs';

/** Chosen from how far runs differed whose own rounds did not. Waking threads varies most. */
export const LEAST_NOISE = { usual: 0.25, 'one in flight': 0.4 };
const MOST_RUNS = 3;
const folder = new URL('../../target/bench/rpc/', import.meta.url);

/** Of a figure's CPU per call, as a share of it. */
export function noiseOf(figure) {
  const { value, half } = cpuOf(figure);
  return Math.max(half / value, LEAST_NOISE[figure.column] ?? LEAST_NOISE.usual);
}

/** Of half of the figures, and of nine in ten. */
export function noiseOfAll(figures) {
  const shares = figures
    .filter(({ samples }) => samples.length > 0)
    .map(noiseOf)
    .sort((a, b) => a - b);
  const at = (share) => shares[Math.floor(share * (shares.length - 1))] ?? 0;
  return { typical: at(0.5), most: at(0.9) };
}

/** Stores a run, and compares it with earlier ones of this version. */
export function compareRuns({ figures, started }) {
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' });
  const commit = stdout?.trim() || 'unknown';
  mkdirSync(folder, { recursive: true });
  const name = `${commit}-${started.getTime()}.json`;
  writeFileSync(new URL(name, folder), JSON.stringify(summaryOf(figures)));
  const names = readdirSync(folder).filter((each) => each.startsWith(commit));
  const runs = names.sort().slice(-MOST_RUNS);
  return agreementOf(runs.map((each) => JSON.parse(readFileSync(new URL(each, folder), 'utf8'))));
}

/** `[CPU per call, noise]` by column and by what was measured in it. */
function summaryOf(figures) {
  const summary = {};
  for (const figure of figures) {
    if (figure.samples.length === 0 || figure.extra) continue;
    const { value } = cpuOf(figure);
    summary[figure.column] ??= {};
    summary[figure.column][`${figure.side}, ${figure.peer}`] = [value, noiseOf(figure) * value];
  }
  return summary;
}

/** Runs are compared relative to the speed of the machine, which changes for minutes at a time. */
function agreementOf(runs) {
  if (runs.length < 2) return '';
  const columns = Object.keys(runs[0]).filter((column) => runs.every((run) => column in run));
  const compared = columns.map((column) => compare(runs.map((run) => run[column])));
  const slowest = Math.max(...compared.map(({ slowness }) => Math.max(...slowness)));
  const fastest = Math.min(...compared.map(({ slowness }) => Math.min(...slowness)));
  const figures = compared.flatMap(({ rows }, index) =>
    rows.map((row) => ({ ...row, column: columns[index] })),
  );
  const apart = figures.filter(({ agrees }) => !agrees);
  const list = apart.map(
    ({ column, name, values, noises }) =>
      `- ${column}, ${name}: ${values.map((value, run) => `${digits(value)} ±${percent(noises[run] / value)}`).join('; ')}\n`,
  );
  const typical = median(figures.map(({ values }) => halfOfRange(values) / median(values)));
  return `## Do runs agree?

The speed of the machine changes: in ${runs.length} runs of this version, the median over a column's figures differed by a factor of
up to ${(slowest / fastest).toFixed(2)}. Relative to that median, ${figures.length - apart.length} of ${figures.length} figures for CPU per call agree within the noise, and half of
them within ±${(typical * 100).toFixed(1)} %.
${list.length > 0 ? `These do not:\n\n${list.join('')}` : ''}`;
}

function compare(runs) {
  const names = Object.keys(runs[0]).filter((name) => runs.every((run) => name in run));
  const usual = (name) => median(runs.map((run) => run[name][0]));
  const slowness = runs.map((run) => median(names.map((name) => run[name][0] / usual(name))));
  const rows = names.map((name) => {
    const values = runs.map((run, index) => run[name][0] / slowness[index]);
    const noises = runs.map((run, index) => run[name][1] / slowness[index]);
    const lowest = Math.min(...values.map((value, index) => value + noises[index]));
    const highest = Math.max(...values.map((value, index) => value - noises[index]));
    return { name, values, noises, agrees: highest <= lowest };
  });
  return { slowness, rows };
}

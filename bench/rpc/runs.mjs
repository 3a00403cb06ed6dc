import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { digits, percent } from '../format.mjs';
import { cpuOf, median, rateOf, rounds } from './statistics.mjs';

/** Runs differ by this even where the rounds of one do not. */
export const LEAST_NOISE = 0.1;
const MOST_RUNS = 3;
const folder = new URL('../../target/bench/rpc/', import.meta.url);

/** As a share of the median. */
export const noiseOf = ({ median, half }) => Math.max(half / median, LEAST_NOISE);

/** Of half of the figures, and of nine in ten. */
export function noiseOfAll(figures) {
  const shares = figures
    .filter(({ samples }) => samples.length > 0)
    .map((figure) => noiseOf(cpuOf(figure)))
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

/** `[median, noise]` by what was measured. */
function summaryOf(figures) {
  const entries = figures
    .filter(({ samples, extra }) => samples.length > 0 && !extra)
    .flatMap((figure) =>
      Object.entries({ 'CPU per call': cpuOf(figure), 'calls/s': rateOf(figure) }).map(
        ([kind, value]) => [
          `${figure.column}, ${figure.side}, ${figure.peer}: ${kind}`,
          [value.median, noiseOf(value) * value.median],
        ],
      ),
    );
  return Object.fromEntries(entries);
}

function agreementOf(runs) {
  if (runs.length < 2) return '';
  const names = Object.keys(runs[0]).filter((name) => runs.every((run) => name in run));
  const apart = names.filter((name) => {
    const lows = runs.map((run) => run[name][0] - run[name][1]);
    const highs = runs.map((run) => run[name][0] + run[name][1]);
    return Math.max(...lows) > Math.min(...highs);
  });
  const differences = names.map((name) => {
    const value = rounds({ samples: runs }, (run) => run[name][0]);
    return value.half / value.median;
  });
  const list = apart.map((name) => {
    const values = runs.map((run) => run[name]);
    return `- ${name}: ${values.map(([value, noise]) => `${digits(value)} ±${percent(noise / value)}`).join('; ')}\n`;
  });
  return `## Do runs agree?

In ${runs.length} runs of this version, ${names.length - apart.length} of ${names.length} figures agree within the noise, and half of all within ±${(median(differences) * 100).toFixed(1)} %.
${list.length > 0 ? `These do not:\n\n${list.join('')}` : ''}`;
}

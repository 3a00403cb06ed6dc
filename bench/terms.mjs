import { loadavg } from 'node:os';
import { barChart } from './chart.mjs';
import { documents } from './documents.mjs';
import { publish, runProgram } from './page.mjs';
import { installErlpack } from './peers/erlpack.mjs';
import { report } from './terms/report.mjs';

const program = new URL('./terms/row.mjs', import.meta.url);

export function run({ quick, isWanted, isWhole }) {
  const effort = quick
    ? { rounds: 7, window: 10, warmUp: 150 }
    : { rounds: 15, window: 20, warmUp: 300 };
  installErlpack();
  const names = Object.keys(documents).filter(isWanted);
  const load = [loadavg()[0]];
  const rows = names.map((name, index) => {
    console.error(`measuring ${name} (${index + 1} of ${names.length}) …`);
    return measureRow(name, effort);
  });
  load.push(loadavg()[0]);
  return publish('terms', report(rows, load), { 'terms.svg': chart(rows) }, isWhole);
}

/** In case other programs disturb a row. */
const TRIES = 3;

function measureRow(name, effort) {
  for (let tries = 1; ; tries++) {
    // In a process of its own, so that earlier rows do not matter.
    const row = runProgram(program, [name, JSON.stringify(effort)], ['--expose-gc']);
    if (row.contradictions.length === 0) return row;
    for (const line of row.contradictions) console.error(line);
    if (tries === TRIES) throw new Error(`the figures of ${name} contradict each other`);
  }
}

function chart(rows) {
  const bars = (direction) =>
    rows.map((row) => ({ name: row.name, value: row[direction].backwater.ratio.median }));
  const series = { decode: bars('decode'), encode: bars('encode') };
  return barChart('Time relative to JSON on the same data (1 = as long)', series, 1);
}

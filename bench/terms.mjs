// Encoding and decoding against JSON, MessagePack, erlpack and Erlang, as ratios within interleaved runs.
import { availableParallelism, cpus, loadavg } from 'node:os';
import { barChart } from './chart.mjs';
import { documents } from './documents.mjs';
import { publish, runProgram } from './page.mjs';
import { installErlpacks } from './peers/erlpack.mjs';
import { checkGoals } from './terms/goals.mjs';
import { report } from './terms/report.mjs';

const program = new URL('./terms/row.mjs', import.meta.url);

/** `--only TEXT`: rows whose names contain it. `--quick`: noisy. Both print, and write nothing. */
export function run(args) {
  const quick = args.includes('--quick');
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
  const effort = quick
    ? { rounds: 7, window: 10, warmUp: 150 }
    : { rounds: 15, window: 20, warmUp: 300 };
  installErlpacks();
  const names = Object.keys(documents).filter((name) => name.includes(only ?? ''));
  const before = loadavg();
  const rows = names.map((name, index) => {
    console.error(`measuring ${name} (${index + 1} of ${names.length}) …`);
    return measureRow(name, effort);
  });
  const machine = {
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cpu: `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} cores`,
    load: [before, loadavg()].map(([minute]) => minute.toFixed(1)).join(' before, ') + ' after',
  };
  const text = report(rows, checkGoals(rows), machine);
  return publish('terms', text, { 'terms.svg': chart(rows) }, !quick && only === undefined);
}

/** A row that contradicts itself is measured again, in case the machine was disturbed. */
const TRIES = 3;

function measureRow(name, effort) {
  for (let tries = 1; ; tries++) {
    // A process of its own, so that the rows before it do not matter.
    const row = runProgram(program, [name, JSON.stringify(effort)], ['--expose-gc']);
    if (row.contradictions.length === 0) return row;
    for (const line of row.contradictions) console.error(line);
    if (tries === TRIES) throw new Error(`the figures of ${name} contradict each other`);
  }
}

function chart(rows) {
  const bars = (direction) =>
    rows.map((each) => ({
      name: each.name,
      value: each[direction].backwater.ratio.median,
    }));
  const series = { decode: bars('decode'), encode: bars('encode') };
  return barChart('Time relative to JSON on the same data (1 = as long)', series, 1);
}

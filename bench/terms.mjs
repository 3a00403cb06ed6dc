// Encoding and decoding against JSON, MessagePack, erlpack and Erlang, as ratios within interleaved runs.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { barChart } from './chart.mjs';
import { documents } from './documents.mjs';
import { installErlpacks } from './peers/erlpack.mjs';
import { checkGoals } from './terms/goals.mjs';
import { report } from './terms/report.mjs';

const row = fileURLToPath(new URL('./terms/row.mjs', import.meta.url));
const folder = new URL('../docs/benchmarks/', import.meta.url);

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
  console.log(text);
  if (quick || only !== undefined) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL('terms.md', folder), text);
  writeFileSync(new URL('terms.svg', folder), chart(rows));
}

/** Each row has a process of its own, so that the rows before it do not matter. */
function measureRow(name, effort) {
  const args = ['--expose-gc', row, name, JSON.stringify(effort)];
  const { stdout, status } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`measuring ${name} failed`);
  return JSON.parse(stdout);
}

function chart(rows) {
  const bars = (direction) =>
    rows.map((each) => ({
      name: each.name,
      value: each[direction].backwater.ratio.median,
    }));
  return barChart('Time relative to JSON on the same data (1 = as long)', {
    decode: bars('decode'),
    encode: bars('encode'),
  });
}

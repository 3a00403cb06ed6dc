// Remote calls against other ways to make them: every peer in a process of its own, all in one run,
// in turns.
import { mkdirSync, writeFileSync } from 'node:fs';
import { installPeers } from './rpc/install.mjs';

const USAGE = `usage: npm run bench -- rpc [options]

  --quick       one short round: a look, not a result
  --goals       only what the table of goals needs
  --full        every workload at 1, 16, 64 and 256 in flight
  --only TEXT   only the peers, sections and workloads of which the name has this text;
                may be given several times
  --rounds N    how often everything is measured (3; 5 with --goals)
  --seconds S   how long each measurement takes (0.5; 1 with --goals)
`;

export async function run(args) {
  const options = parse(args);
  if (options === undefined) {
    console.log(USAGE);
    process.exitCode = args.includes('--help') ? 0 : 2;
    return;
  }
  installPeers();
  const { buildTool } = await import('./rpc/rust-tool.mjs');
  buildTool();
  const { benchmark } = await import('./rpc/benchmark.mjs');
  const results = await benchmark(options);
  const { chartsOf, reportOf } = await import('./rpc/report.mjs');
  const text = reportOf(results);
  console.log(text);
  if (options.quick || options.only.length > 0 || options.goals) return;
  const target = new URL('../docs/benchmarks/', import.meta.url);
  mkdirSync(target, { recursive: true });
  writeFileSync(new URL('rpc.md', target), text);
  for (const [name, svg] of Object.entries(chartsOf(results))) {
    writeFileSync(new URL(name, target), svg);
  }
}

function parse(args) {
  const options = { quick: false, goals: false, full: false, only: [] };
  for (let index = 0; index < args.length; index++) {
    const name = args[index].slice(2);
    if (['quick', 'goals', 'full'].includes(name)) options[name] = true;
    else if (name === 'only' && args[index + 1]) options.only.push(args[++index]);
    else if (['rounds', 'seconds'].includes(name) && Number(args[index + 1]) > 0) {
      options[name] = Number(args[++index]);
    } else return undefined;
  }
  const effort = options.quick
    ? { rounds: 1, seconds: 0.2 }
    : options.goals
      ? { rounds: 5, seconds: 1 }
      : { rounds: 3, seconds: 0.5 };
  return { ...effort, ...options };
}

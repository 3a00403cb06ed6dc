// What terms cost that were made to cost as much as possible: CPU time and memory for each MiB.
import { cpus } from 'node:os';
import { kinds } from './hostile-terms/kinds.mjs';
import { publish, runProgram } from './page.mjs';

const program = new URL('./hostile-terms/kind.mjs', import.meta.url);
const NODE = ['--expose-gc', '--max-old-space-size=4096'];
const MIB = 1024 * 1024;
/** Work that grows faster than its input shows in a larger one. */
const SIZES = [1, 8];

/** `--only TEXT`: kinds whose names contain it. `--quick`: noisy. Both print, and write nothing. */
export function run(args) {
  const quick = args.includes('--quick');
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
  const rows = Object.keys(kinds)
    .filter((kind) => kind.includes(only ?? ''))
    .map((kind) => {
      console.error(`measuring ${kind} …`);
      const rounds = quick ? 1 : 4;
      return [kind, ...SIZES.map((size) => runProgram(program, [kind, size * MIB, rounds], NODE))];
    });
  return publish('hostile-terms', report(rows), {}, !quick && only === undefined);
}

function report(rows) {
  const perMiB = ({ seconds, bytes }) => seconds / (bytes / MIB);
  const cells = ({ first, memory, bytes, ...rest }) => [
    perMiB({ bytes, ...rest }).toFixed(3),
    perMiB({ bytes, seconds: first }).toFixed(3),
    (memory / bytes).toFixed(1),
  ];
  const worst = Math.max(...rows.flatMap(([, ...sizes]) => sizes.map(perMiB)));
  const sorted = rows.toSorted(([, , one], [, , other]) => perMiB(other) - perMiB(one));
  return [
    '# What hostile terms cost\n',
    `\`npm run bench -- hostile-terms\`, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus()[0]?.model ?? 'unknown'}.\n`,
    'Messages of 1 MiB and of 8 MiB, each made of the smallest terms of one kind. Seconds of CPU for each MiB that `decode`',
    'takes on all threads, garbage collection included: in the best of four rounds, and in the first one, when V8 has',
    'not optimized anything. Memory of the value in V8, as a multiple of the message.\n',
    `The worst of them takes ${worst.toFixed(2)} seconds for each MiB.\n`,
    '| message of | 1 MiB: s/MiB | first | memory | 8 MiB: s/MiB | first | memory |',
    '| --- | --: | --: | --: | --: | --: | --: |',
    ...sorted.map(([kind, ...sizes]) => `| ${[kind, ...sizes.flatMap(cells)].join(' | ')} |`),
    '',
  ].join('\n');
}

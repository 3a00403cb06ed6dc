import { mebibytes, ranWith, table } from './format.mjs';
import { kinds } from './hostile-terms/kinds.mjs';
import { publish, runProgram } from './page.mjs';

const program = new URL('./hostile-terms/kind.mjs', import.meta.url);
const NODE = ['--expose-gc', '--max-old-space-size=4096'];
const MIB = 1024 * 1024;
/** Work that grows faster than its input shows in the larger one. */
const SIZES = [1, 8];
const SHOWN = 15;

export function run({ quick, isWanted, isWhole }) {
  const rows = Object.keys(kinds)
    .filter(isWanted)
    .map((kind) => {
      console.error(`measuring ${kind} …`);
      const rounds = quick ? 1 : 4;
      const measure = (size) => runProgram(program, [kind, size * MIB, rounds], NODE);
      const [small, large] = SIZES.map(measure);
      const perMiB = ({ bytes }, seconds) => seconds / mebibytes(bytes);
      return {
        kind,
        small: perMiB(small, small.seconds),
        large: perMiB(large, large.seconds),
        first: perMiB(large, large.first),
        memory: Math.max(small.memory / small.bytes, large.memory / large.bytes),
      };
    });
  return publish('hostile-terms', report(rows), {}, isWhole);
}

function report(rows) {
  const cost = ({ small, large }) => Math.max(small, large);
  const sorted = rows.toSorted((one, other) => cost(other) - cost(one));
  const cells = sorted
    .slice(0, SHOWN)
    .map(({ kind, small, large, first, memory }) => [
      kind,
      small.toFixed(3),
      large.toFixed(3),
      first.toFixed(3),
      memory.toFixed(1),
    ]);
  const others = sorted.slice(SHOWN);
  const most = (pick) => Math.max(...others.map(pick));
  const rest =
    others.length === 0
      ? ''
      : `\nThe other ${others.length} kinds take at most ${most(cost).toFixed(3)} seconds per MiB and ${most(({ memory }) => memory).toFixed(1)} times their size in memory.\n`;
  return `# What hostile terms cost

${ranWith('hostile-terms')}

Messages of ${SIZES.join(' and ')} MiB, each made of the smallest terms of one kind. The columns have the CPU time of
\`decode\` on all threads for each MiB, garbage collection included, in the best of four rounds; for the larger message,
the same in the first round, before V8 has optimized anything; and the memory of the value in V8, as a multiple of the
message.

${table(['message of', ...SIZES.map((size) => `${size} MiB: s/MiB`), 'first', 'memory'], cells)}${rest}`;
}

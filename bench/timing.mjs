// See crates/protocol/examples/timing.rs.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { count, ranWith, table } from './format.mjs';
import { publish } from './page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** dudect's limit: above it, two times differ. */
const LIMIT = 4.5;

export async function run({ quick, isWhole }) {
  const command = ['run', '--release', '--locked', '-q', '-p', 'backwater-protocol'];
  const { status, stdout, stderr } = spawnSync(
    'cargo',
    [...command, '--example', 'timing', '--', String(quick ? 100_000 : 2_000_000)],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .map(({ what, measurements, first, last, t }) => [
      what,
      count(measurements),
      first.toFixed(1),
      last.toFixed(1),
      t.toFixed(2),
      t > LIMIT ? 'distinguishable' : 'indistinguishable',
    ]);
  const page = `# Does timing reveal where a signature is wrong?

${ranWith('timing')}

Answers whose signature is wrong in the first or the last byte are verified in random order, and Welch's t-test compares
the times, as in dudect. If t exceeds ${LIMIT}, they differ measurably. The means, in nanoseconds, are of the fastest 95 %; t is
the largest over several cutoffs. The last row is a comparison that stops at the first difference, to show that the
method detects it.

${table(['what', 'measurements', 'first byte wrong', 'last byte wrong', 't', ''], rows)}
The library compares signatures with ring's \`hmac::verify\`, which takes constant time.
`;
  await publish('timing', page, {}, isWhole);
}

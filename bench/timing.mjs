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
  const page = `# Whether timing tells where a signature is wrong

${ranWith('timing')}

Answers whose signature is wrong in the first byte or in the last one are verified in random order, and Welch's t
compares the times, as dudect does: above ${LIMIT} they differ measurably. Means are of the fastest 95 %, in nanoseconds; t
is the largest over several cuts. The last line is a comparison that stops at the first difference, to show that the
method sees one.

${table(['what', 'measurements', 'first byte wrong', 'last byte wrong', 't', ''], rows)}
Signatures are compared by ring's \`hmac::verify\`, whose time does not depend on what it compares.
`;
  await publish('timing', page, {}, isWhole);
}

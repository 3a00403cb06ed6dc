import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { publish } from './page.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** From here on two times differ (dudect's own limit). */
const LIMIT = 4.5;

/**
 * Whether the time that a wrong signature takes tells where it is wrong; see
 * crates/protocol/examples/timing.rs.
 */
export async function run(args) {
  const quick = args.includes('--quick');
  const measurements = quick ? 100_000 : 2_000_000;
  const command = ['run', '--release', '--locked', '-q', '-p', 'backwater-protocol'];
  const { status, stdout, stderr } = spawnSync(
    'cargo',
    [...command, '--example', 'timing', '--', String(measurements)],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const table = lines.map(
    ({ what, measurements, first, last, t }) =>
      `| ${what} | ${measurements.toLocaleString('en')} | ${first.toFixed(1)} | ${last.toFixed(1)} | ${t.toFixed(2)} | ${t > LIMIT ? 'distinguishable' : 'indistinguishable'} |`,
  );
  const page = `# Whether timing tells where a signature is wrong

\`npm run bench -- timing\`, ${new Date().toISOString().slice(0, 10)}, ${cpus()[0]?.model ?? process.arch}, ${cpus().length} cores shared with other work.

Answers whose signature is wrong in the first byte or in the last one are verified in random order, and Welch's t
compares the times, as dudect does: above ${LIMIT} they differ measurably. Means are of the fastest 95 %, in nanoseconds; t
is the largest over several cuts. The last line is a comparison that stops at the first difference, to show that the
method sees one.

| what | measurements | first byte wrong | last byte wrong | t | |
| --- | --: | --: | --: | --: | --- |
${table.join('\n')}

Signatures are compared by ring's \`hmac::verify\`, whose time does not depend on what it compares.
`;
  await publish('timing', page, {}, !quick);
}

import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const example = fileURLToPath(new URL('../../examples/fleet/main.mjs', import.meta.url));

interface Report {
  readonly by: 'haproxy' | 'dns';
  readonly idempotent: boolean;
  readonly calls: number;
  readonly replaced: number;
  readonly failed: number;
  readonly allowed: number;
  readonly repeated: number;
  readonly failures: Readonly<Record<string, number>>;
}

const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };
const missing = (['haproxy', 'dnsmasq'] as const).filter(
  (program) => spawnSync(program, ['-v'], { env }).error !== undefined,
);
if (missing.length > 0) {
  if (process.env['BACKWATER_REQUIRE_PEERS']) throw new Error(`missing: ${missing.join(', ')}`);
  console.warn(`fleet.test.ts is skipped without ${missing.join(' and ')}`);
}
const withPeers = missing.length === 0 ? test.serial : test.serial.skip;

async function measure(...options: string[]): Promise<Report[]> {
  const args = [example, '--json', '--calls', '1000', '--concurrency', '16', ...options];
  const { stdout } = await run(process.execPath, args, { env, timeout: 240_000 }).catch(
    (error: { stdout?: string }) => {
      if (error.stdout?.startsWith('[')) return { stdout: error.stdout };
      throw error;
    },
  );
  return JSON.parse(stdout) as Report[];
}

for (const by of ['haproxy', 'dns']) {
  withPeers(`replacing servers fails no call (discovery: ${by})`, async (t) => {
    const [report] = await measure('--by', by);
    t.like(report, { failed: 0, repeated: 0, failures: {} });
    t.true(report!.replaced >= 3);
    t.true(report!.calls >= 1000);
  });

  withPeers(`killing a server fails only its own calls (discovery: ${by})`, async (t) => {
    const [once, again] = await measure('--by', by, '--kill');
    t.true(once!.failed <= once!.allowed, JSON.stringify(once));
    t.is(once!.repeated, 0, 'what may have been done is not done twice');
    t.like(again, { failed: 0, idempotent: true });
  });
}

withPeers('replacing servers with TLS fails no call', async (t) => {
  const [report] = await measure('--by', 'dns', '--tls');
  t.like(report, { failed: 0, repeated: 0, failures: {} });
});

test('the example prints its usage and refuses invalid options', async (t) => {
  const { stdout } = await run(process.execPath, [example, '--help']);
  t.regex(stdout, /^usage: node examples\/fleet\/main\.mjs/);
  await t.throwsAsync(run(process.execPath, [example, '--calls', '0']));
  await t.throwsAsync(run(process.execPath, [example, '--by', 'luck']));
});

import { spawnSync } from 'node:child_process';
import cluster from 'node:cluster';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import test from 'ava';
import { defaultIoThreads } from '../src/options/io-threads.js';
import { connect, serve } from './support/rpc.js';

const index = new URL('../src/index.js', import.meta.url).href;

function ioThreads(): number {
  return readdirSync('/proc/self/task').filter((id) => {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8') === 'backwater-io\n';
  }).length;
}

function run(
  program: string,
  variable: string,
  launcher: readonly string[] = [],
): { stdout: string; stderr: string } {
  const source = `const b = await import(${JSON.stringify(index)});\n${program}`;
  const [command, ...args] = [...launcher, process.execPath, '--input-type=module', '-e', source];
  const { stdout, stderr } = spawnSync(command!, args, {
    encoding: 'utf8',
    timeout: 240_000,
    env: { ...process.env, BACKWATER_IO_THREADS: variable },
  });
  return { stdout, stderr };
}

const COUNT = `
  const { readdirSync, readFileSync } = await import('node:fs');
  console.log(readdirSync('/proc/self/task').filter((id) =>
    readFileSync('/proc/self/task/' + id + '/comm', 'utf8') === 'backwater-io\\n').length);
  process.exit(0);`;
const SERVER = `
  const secret = 'at least 32 bytes of random data';
  const server = await b.startClearServer(secret, { m: { f: () => 1 } }, { host: '127.0.0.1', port: 0 });`;
const CLIENT = `
  new b.Client({ url: '127.0.0.1:9', secret: 'at least 32 bytes of random data' });`;

const linux = process.platform === 'linux' ? test : test.skip;

linux('connections are spread over several threads, which clients use as well', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } }, { ioThreads: 3 });
  t.is(ioThreads(), 3);
  for (let round = 0; round < 3; round++) {
    const client = connect(t, server, { maxConnections: 8 + round, recvTimeout: 60_000 });
    const large = Buffer.alloc(200_000, round);
    const calls = Array.from({ length: 200 }, (_, value) => client.call('m', 'echo', [value]));
    t.true(large.equals(await client.call<Buffer>('m', 'echo', [large], { binaries: 'buffer' })));
    t.deepEqual(
      await Promise.all(calls),
      Array.from({ length: 200 }, (_, value) => value),
    );
  }
  t.true(server.stats().connections > 8);
  await server.close();
  t.is(server.stats().connections, 0);
});

linux('the environment variable says how many threads there are by default', (t) => {
  const program = `
    ${SERVER}
    console.log(await b.call({ url: server.url, secret }, 'm', 'f'));
    ${COUNT}`;
  t.deepEqual(run(program, '2'), { stdout: '1\n2\n', stderr: '' });
});

linux('there is one thread for every four cores by default, at most four', (t) => {
  // A container's CPU limit may allow fewer than Node knows.
  const most = Math.min(4, Math.max(1, Math.floor(availableParallelism() / 4)));
  for (const side of [SERVER, CLIENT]) {
    const { stdout, stderr } = run(side + COUNT, '');
    t.is(stderr, '');
    t.true(Number(stdout) >= 1 && Number(stdout) <= most, stdout);
  }
});

linux('a process that may use one core has one thread', (t) => {
  const [, core] = /^Cpus_allowed_list:\t(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  for (const side of [SERVER, CLIENT]) {
    t.deepEqual(run(side + COUNT, '', ['taskset', '-c', core!]), { stdout: '1\n', stderr: '' });
  }
});

test('a worker of node:cluster has one I/O thread by default', (t) => {
  t.is(defaultIoThreads(), undefined);
  const mutable = cluster as { isWorker: boolean };
  mutable.isWorker = true;
  try {
    t.is(defaultIoThreads(), 1);
  } finally {
    mutable.isWorker = false;
  }
});

test('an environment variable that is not a thread count is refused', (t) => {
  const program = `
    const secret = 'at least 32 bytes of random data';
    for (const act of [
      () => b.startClearServer(secret, {}, { port: 0 }),
      async () => new b.Client({ url: '127.0.0.1:9', secret }),
    ]) await act().catch((error) => console.log(error.name, error.option, error.message));
    process.exit(0);`;
  for (const variable of ['0', '65', 'two', '1.5', '-1']) {
    const { stdout } = run(program, variable);
    const line =
      'OptionError BACKWATER_IO_THREADS the environment variable BACKWATER_IO_THREADS takes an ' +
      `integer from 1 to 64, not '${variable}'\n`;
    t.is(stdout, line + line);
  }
});

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { connect, serve } from './support/rpc.js';

const index = new URL('../src/index.js', import.meta.url).href;

/** How many threads this process has for I/O. */
function ioThreads(): number {
  return readdirSync('/proc/self/task').filter((id) => {
    return readFileSync(`/proc/self/task/${id}/comm`, 'utf8') === 'backwater-io\n';
  }).length;
}

/** Runs a program that has the library's exports in `b`, with the environment variable. */
function run(program: string, variable: string): { stdout: string; stderr: string } {
  const source = `const b = await import(${JSON.stringify(index)});\n${program}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 240_000,
    env: { ...process.env, BACKWATER_IO_THREADS: variable },
  });
  return { stdout, stderr };
}

const linux = process.platform === 'linux' ? test : test.skip;

linux('connections are spread over several threads, which clients use as well', async (t) => {
  const server = await serve(t, { m: { echo: (value: unknown) => value } }, { ioThreads: 3 });
  t.is(ioThreads(), 3);
  for (let round = 0; round < 3; round++) {
    // Options of its own, so that it does not share the connections of another one.
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
    import { readdirSync, readFileSync } from 'node:fs';
    const secret = 'at least 32 bytes of random data';
    const server = await b.startClearServer(secret, { m: { f: () => 1 } }, { host: '127.0.0.1', port: 0 });
    console.log(await b.call({ url: server.url, secret }, 'm', 'f'));
    console.log(readdirSync('/proc/self/task').filter((id) =>
      readFileSync('/proc/self/task/' + id + '/comm', 'utf8') === 'backwater-io\\n').length);
    process.exit(0);`;
  t.deepEqual(run(program, '2'), { stdout: '1\n2\n', stderr: '' });
  t.deepEqual(run(program, ''), { stdout: '1\n1\n', stderr: '' });
});

test('a variable that is no number of threads is refused', (t) => {
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

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, run } from './application.mjs';

const SECRET = "'a secret of more than thirty-two bytes'";
const CALL = `
import { Client, startClearServer, tuple } from 'backwater';
import { decode, encode } from 'backwater/terms';

export async function call(value) {
  const modules = { m: { twice: (x) => tuple(x, x) } };
  const server = await startClearServer(${SECRET}, modules, { host: '127.0.0.1', port: 0 });
  const client = new Client({ url: server.url, secret: ${SECRET} });
  try {
    const [one, two] = await client.call('m', 'twice', [decode(encode(value))]);
    return one + two;
  } finally {
    await client.close();
    await server.close();
  }
}
`;

test('a Piscina pool can grow and shrink', { timeout: 240_000 }, async () => {
  const folder = application(
    {
      'call.mjs': CALL,
      'task.mjs': "export { call as default } from './call.mjs';",
      'main.mjs': `
        import { Piscina } from 'piscina';

        const filename = new URL('./task.mjs', import.meta.url).href;
        for (const options of [
          { minThreads: 1, maxThreads: 1 },
          { minThreads: 0, maxThreads: 6, idleTimeout: 0, concurrentTasksPerWorker: 3 },
        ]) {
          const pool = new Piscina({ filename, ...options });
          let sum = 0;
          for (let round = 0; round < 3; round++) {
            const calls = Array.from({ length: 12 }, (_, index) => pool.run(index));
            for (const twice of await Promise.all(calls)) sum += twice;
          }
          await pool.destroy();
          console.log(sum);
        }
        // The main thread has not loaded the library until now.
        const { call } = await import('./call.mjs');
        console.log(await call(1));`,
    },
    { links: ['piscina'] },
  );
  const { status, output } = await run(folder, process.execPath, 'main.mjs');
  assert.equal(output, '396\n396\n2\n');
  assert.equal(status, 0);
});

for (const [manager, worker] of [
  ['node:cluster', 'worker.mjs'],
  // pm2's cluster mode starts its own script, which imports the user's.
  ['a process manager', 'container.cjs'],
]) {
  test(`workers of ${manager} can end and be replaced`, { timeout: 240_000 }, async () => {
    const folder = application({
      'call.mjs': CALL,
      'worker.mjs': `
        import { call } from './call.mjs';
        process.send(await call(Number(process.env.VALUE)));
        process.disconnect();`,
      'container.cjs': "void import('./worker.mjs');",
      'main.mjs': `
        import cluster from 'node:cluster';
        import { once } from 'node:events';

        cluster.setupPrimary({ exec: '${worker}' });
        const calls = Array.from({ length: 6 }, async (_, value) => {
          const worker = cluster.fork({ VALUE: value });
          const ended = once(worker, 'exit');
          const [twice] = await once(worker, 'message');
          const [status] = await ended;
          if (status !== 0) throw new Error(\`a worker ended with status \${status}\`);
          return twice;
        });
        console.log((await Promise.all(calls)).join());`,
    });
    const { status, output } = await run(folder, process.execPath, 'main.mjs');
    assert.equal(output, '0,2,4,6,8,10\n');
    assert.equal(status, 0);
  });
}

/**
 * For each number that it receives, this client makes that many calls of `m:result/0`, blocks its
 * thread while the answers arrive, and sends how many returned.
 */
import { Client, type ClientOptions } from '../../src/index.js';
import { secret } from './rpc.js';

const [url, options] = process.argv.slice(2) as [string, string];
const client = new Client({ url, secret, ...(JSON.parse(options) as Partial<ClientOptions>) });
process.on('disconnect', () => process.exit());
process.on('message', (count: number) => {
  const calls = Array.from({ length: count }, () =>
    client.call('m', 'result').then(
      () => 1,
      () => 0,
    ),
  );
  setImmediate(() => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, count > 1 ? 1500 : 0);
    void Promise.all(calls).then((returned) => {
      process.send!(returned.reduce<number>((sum, one) => sum + one, 0));
    });
  });
});
process.send!('ready');

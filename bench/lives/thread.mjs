// A worker thread in the middle of everything: it serves, calls itself, and calls its parent's server,
// with small and large messages, until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';

const { library, url, secret } = workerData;
const { Client, startClearServer } = await import(library);

const modules = {
  m: {
    echo: (value) => value,
    later: (value) => new Promise((resolve) => setTimeout(resolve, value % 5, value)),
    never: () => new Promise(() => {}),
    fail: () => {
      throw new Error('as expected');
    },
  },
};

const server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0 });
const large = Buffer.alloc(100_000, 1);
for (const target of [server.url, url]) {
  const client = new Client({ url: target, secret, recvTimeout: 60_000 });
  void client.tryCall('m', 'never');
  for (let lane = 0; lane < 4; lane++) void keepCalling(client, lane);
}
parentPort.postMessage(server.url);

async function keepCalling(client, lane) {
  for (let number = 0; ; number++) {
    const [name, value] = [
      ['echo', large],
      ['later', number],
      ['echo', { number, text: 'x'.repeat(number % 500) }],
      ['fail', undefined],
    ][(lane + number) % 4];
    await client.tryCall('m', name, value === undefined ? [] : [value]);
  }
}

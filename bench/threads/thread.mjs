import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { generator } from './random.mjs';

const { library, secret, task, url, seed } = workerData;
const { below } = generator(seed);

switch (task) {
  case 'terms':
    await useTerms();
    break;
  case 'serve and close': {
    const { server, clients } = await begin();
    const values = [seed, 'text', Buffer.alloc(100_000, 1)];
    await Promise.all(
      clients.flatMap((client) => values.map((value) => client.call('m', 'echo', [value]))),
    );
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
    break;
  }
  case 'exit in the middle of calls':
    await beginCalls();
    await delay(below(20));
    process.exit(0);
    break;
  case 'throw':
    await beginCalls();
    await delay(below(20));
    throw new Error('as expected');
  case 'a thread of its own': {
    const inner = below(2) === 0 ? 'terms' : 'serve and close';
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { ...workerData, task: inner, seed: seed + 1 },
    });
    if (below(2) === 0) await useTerms();
    await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    break;
  }
  default:
    parentPort.postMessage(await beginCalls());
}

async function useTerms() {
  const { decode, encode } = await import(new URL('./terms.mjs', library).href);
  for (const size of [1, 100, 100_000]) {
    const value = Array.from({ length: size }, (_, index) => ({ index, text: `${index}` }));
    const { length } = decode(encode(value));
    if (length !== size) throw new Error(`${length} instead of ${size}`);
  }
}

/** A server, and clients of it and of the main thread's. */
async function begin() {
  const { Client, startClearServer } = await import(library);
  const modules = {
    m: {
      echo: (value) => value,
      later: (value) => delay(value, value),
      never: () => new Promise(() => {}),
    },
  };
  const server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0 });
  const urls = url === undefined ? [server.url] : [server.url, url];
  const clients = urls.map((each) => new Client({ url: each, secret, recvTimeout: 60_000 }));
  return { server, clients };
}

/** The calls have not ended when the thread does. */
async function beginCalls() {
  const { clients, server } = await begin();
  for (const client of clients) {
    void client.tryCall('m', 'never');
    void keepCalling(client);
  }
  return server.url;
}

async function keepCalling(client) {
  for (let number = 0; ; number++) {
    await client.tryCall('m', 'echo', [number % 4 === 0 ? Buffer.alloc(100_000) : number]);
  }
}

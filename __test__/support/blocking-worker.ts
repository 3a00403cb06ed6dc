import { parentPort, workerData } from 'node:worker_threads';
import { Client, startClearServer } from '../../src/index.js';
import { secret } from './rpc.js';

export interface BlockingData {
  readonly url: string;
  /** The first word never changes; the second ends the wait. */
  readonly signal: Int32Array;
}

export type BlockingMessage =
  | { readonly type: 'ready'; readonly small: string; readonly large: string }
  | { readonly type: 'blocked' }
  | { readonly type: 'called'; readonly outcomes: readonly string[]; readonly next: unknown }
  | { readonly type: 'pending'; readonly calls: number };

const TIME = 10_000;
const { url, signal } = workerData as BlockingData;
const port = parentPort!;

function tell(message: BlockingMessage): void {
  port.postMessage(message);
}

/** Blocks this thread for ten seconds, and then until the test lets go. */
function block(): string {
  tell({ type: 'blocked' });
  Atomics.wait(signal, 0, 0, TIME);
  Atomics.wait(signal, 1, 0);
  return 'done';
}

const modules = { m: { block, quick: () => 'quick' } };
const local = { host: '127.0.0.1', port: 0, health: '/health' };
// One for the call that blocks, and three more.
const small = await startClearServer(secret, modules, { ...local, maxCallsInFlight: 4 });
const times = { recvTimeout: 1000, headersTimeout: 60_000 };
const large = await startClearServer(secret, modules, { ...local, ...times });
const client = new Client({ url, secret, connectTimeout: 60_000, recvTimeout: 60_000 });
await client.call('m', 'quick');

port.on('message', async (request: 'call' | 'pending' | 'end') => {
  if (request === 'call') {
    const calls = [
      client.tryCall('m', 'never', [], { recvTimeout: 1000 }),
      ...Array.from({ length: 5 }, () => client.tryCall('m', 'quick')),
    ];
    block();
    const outcomes = (await Promise.all(calls)).map((outcome) =>
      outcome.ok ? String(outcome.value) : (outcome.error as Error).name,
    );
    tell({ type: 'called', outcomes, next: await client.call('m', 'quick') });
  } else if (request === 'pending') {
    tell({
      type: 'pending',
      calls: small.stats().pending + large.stats().pending + client.stats().pending,
    });
  } else {
    await Promise.all([small.close({ timeout: 0 }), large.close({ timeout: 0 }), client.close()]);
    port.close();
  }
});
tell({ type: 'ready', small: small.url, large: large.url });

import { once } from 'node:events';
import { Client, expose, startClearServer, type CallContext } from '../../src/index.js';

// Relays each call to the next service on behalf of its own call; the last service waits until its
// signal aborts.

const secret = 'a secret of more than thirty-two bytes';
const [next] = process.argv.slice(2);
const client =
  next === undefined
    ? undefined
    : new Client({ url: next, secret, connectTimeout: 120_000, recvTimeout: 120_000 });

async function hold(context: CallContext): Promise<unknown> {
  console.log(JSON.stringify({ begun: context.deadline !== undefined }));
  context.signal.addEventListener('abort', () => {
    console.log(JSON.stringify({ aborted: (context.signal.reason as Error).name }));
  });
  if (client !== undefined) return await client.call('relay', 'hold', [], { parent: context });
  await once(context.signal, 'abort');
  throw context.signal.reason;
}

const relay = { hold: expose.fn(hold, { context: true }) };
const server = await startClearServer(secret, { relay }, { host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ url: server.url }));
process.stdin.on('end', () => process.exit(0)).resume();

// `npm run demo`: a server and a client in one process.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Client, RemoteException, startClearServer } from 'backwater';

const secret = randomBytes(32);
const server = await startClearServer(
  secret,
  {
    string: { to_upper: (text) => text.toUpperCase() },
    documents: { echo: (document) => document },
    bank: {
      withdraw(amount) {
        throw Object.assign(new Error(`cannot withdraw ${amount}`), { code: 'ERR_BALANCE' });
      },
    },
  },
  { host: '127.0.0.1', port: 0 },
);
console.log(`server listening on ${server.url}\n`);
const client = new Client({ url: server.url, secret });

await timed('a greeting', async () => {
  const result = await client.call('string', 'to_upper', ['hello']);
  return `string:to_upper("hello") → ${result}`;
});

const path = new URL('./data/twitter.json', import.meta.url);
const document = JSON.parse(readFileSync(path, 'utf8'));
await timed('a large document, round trip', async () => {
  const result = await client.call('documents', 'echo', [document]);
  const outcome = isDeepStrictEqual(result, document) ? 'unchanged' : 'CHANGED';
  return `${result.statuses.length} tweets came back ${outcome}`;
});

await timed('a remote exception', async () => {
  try {
    await client.call('bank', 'withdraw', [100]);
    return 'NO ERROR';
  } catch (error) {
    if (!(error instanceof RemoteException)) throw error;
    return `${error.name} of class ${error.class}\n${error.stack}`;
  }
});

await client.close();
await server.close();

async function timed(what, action) {
  const start = performance.now();
  const said = await action();
  console.log(`${what} (${(performance.now() - start).toFixed(1)} ms)`);
  console.log(`  ${said.replaceAll('\n', '\n  ')}\n`);
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Client } from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';
import { projectRoot } from './support/root.js';

// The table of errors in docs/getting-started.md is what beginners see.

const page = readFileSync(join(projectRoot(), 'docs/getting-started.md'), 'utf8');
const table = page.slice(page.indexOf('| what you see'));
const rows = Array.from(table.matchAll(/^\| `([^`]+)` +\|/gm), ([, text]) => text!);

/** The keys are the starts of rows. */
const mistakes: Readonly<Record<string, (server: { url: string }, client: Client) => unknown>> = {
  "OptionError: option 'secret'": ({ url }) => new Client({ url, secret: undefined as never }),
  ConnectError: async () => {
    const other = await serve(gone, {});
    await other.close();
    const client = new Client({ url: other.url, secret });
    return client.call('shop', 'find', [7]).finally(() => client.close());
  },
  TlsError: ({ url }) => {
    const client = new Client({ url: url.replace('http:', 'https:'), secret });
    return client.call('shop', 'find', [7]).finally(() => client.close());
  },
  ResponseAuthenticationError: ({ url }) => {
    const client = new Client({ url, secret: `${secret.toString()}\n` });
    return client.call('shop', 'find', [7]).finally(() => client.close());
  },
  'RemoteError … to shop:find/1: 403': (_server, client) => client.call('shop', 'find', [7]),
  'RemoteError … 404 not_found: function_not_found: is': (_server, client) =>
    client.call('shops', 'fnd', [7]),
  'RemoteError … 404 not_found: function_not_found: it': (_server, client) =>
    client.call('shops', 'find', [7, 8]),
  RemoteException: (_server, client) => client.call('shops', 'find', [8]),
  TimeoutError: (_server, client) => client.call('shops', 'never', [], { recvTimeout: 50 }),
  TermError: (_server, client) => client.call('shops', 'find', [{ born: new Date() }]),
};

const gone = { teardown: () => {} } as never;

test('first errors look as the page shows', async (t) => {
  const server = await serve(t, {
    shops: {
      find: (id: number) => {
        throw new RangeError(`no article ${id}`);
      },
      never: () => new Promise(() => {}),
    },
  });
  const client = connect(t, server);
  const beginnings = Object.keys(mistakes);
  t.is(rows.length, beginnings.length);
  for (const row of rows) {
    const beginning = beginnings.find((each) => row.startsWith(each));
    if (beginning === undefined) return t.fail(`no test provokes ${row}`);
    const error = await t.throwsAsync(async () => mistakes[beginning]!(server, client));
    const seen = `${error!.name}: ${error!.message}`.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:8080');
    let from = 0;
    for (const part of row.split('…').map((each) => each.trim())) {
      from = seen.indexOf(part, from);
      t.not(from, -1, `${part} is not in ${seen}`);
    }
  }
});

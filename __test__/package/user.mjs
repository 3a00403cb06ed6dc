// A new user's first program: a server and a call, with each way of importing.
import { atom, Client, isTuple, startClearServer, tuple } from 'backwater';
import { decode, encode } from 'backwater/terms';

const secret = 'a secret of more than thirty-two bytes';
const server = await startClearServer(
  secret,
  {
    shop: {
      find: (id) => tuple(atom('ok'), { id, name: 'Größe' }),
      upper: (text) => text.toUpperCase(),
    },
  },
  { host: '127.0.0.1', port: 0 },
);
const client = new Client({ url: server.url, secret });
const found = await client.call('shop', 'find', [7]);
const upper = await client.call('shop', 'upper', ['x'.repeat(100_000)]);
await client.close();
await server.close();

const [status, { id, name }] = found;
const same = decode(encode(found));
const right =
  isTuple(found) &&
  status === atom('ok') &&
  id === 7 &&
  name === 'Größe' &&
  same[0] === status &&
  upper === 'X'.repeat(100_000);
console.log(right ? 'it works' : `unexpected: ${JSON.stringify(found)}`);

import { connect } from 'node:net';
import { once } from 'node:events';
import { BackwaterError, Client, ConnectError, startClearServer } from '../../src/index.js';

// Opens all files that the process may have, and tries a server and a client.

const secret = 'a secret of more than thirty-two bytes';
const server = await startClearServer(
  secret,
  { m: { f: () => 'ok' } },
  { host: '127.0.0.1', port: 0 },
);
const kept = new Client({ url: server.url, secret });
const report: Record<string, unknown> = { before: await kept.call('m', 'f') };

const hoard = [];
let refused = false;
while (!refused) {
  const socket = connect(server.port, '127.0.0.1');
  hoard.push(socket);
  refused = await Promise.race([
    once(socket, 'connect').then(() => false),
    once(socket, 'error').then(() => true),
  ]).catch(() => true);
}
report['hoarded'] = hoard.length > 10;
report['kept'] = await kept.call('m', 'f');
const fresh = new Client({ url: server.url, secret, connectTimeout: 2000 });
const { ok, ...rest } = await fresh.tryCall('m', 'f');
const error = 'error' in rest ? rest.error : undefined;
report['fresh'] = ok ? 'a value' : error instanceof ConnectError ? error.reason : (error instanceof BackwaterError ? error.code : String(error)); // prettier-ignore
for (const socket of hoard) socket.destroy();
report['after'] = await fresh.call('m', 'f', [], { connectTimeout: 60_000 });
await fresh.close();
await kept.close();
await server.close();
console.log(JSON.stringify(report));

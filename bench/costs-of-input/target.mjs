// node --expose-gc target.mjs LIBRARY: the server or client under attack.
import { createServer } from 'node:net';
import { answerCommands } from '../rpc/json-process.mjs';

const { Client, startClearServer, startTlsServer } = await import(process.argv[2]);
const SECRET = 'the secret of the costs of input, 32 bytes';

const modules = { m: { none: () => 'none', size: (value) => value?.length ?? 0 } };

await answerCommands(async ({ serve, call }) => {
  if (serve !== undefined) {
    const { moreSecrets = 0, tls, onlyReads, ...options } = serve;
    if (onlyReads) return await serveReader();
    const fixed = { host: '127.0.0.1', port: 0, spin: 0, headersTimeout: 120_000 };
    // The server tries the right one last.
    const others = Array.from({ length: moreSecrets }, (_, number) => `${number}${SECRET}`);
    const start = tls === undefined ? startClearServer : startTlsServer;
    const server = await start([...others, SECRET], modules, {
      ...fixed,
      ...options,
      ...(tls && { tls }),
    });
    return { port: server.port };
  }
  if (call !== undefined) return await callMany(call);
  return await collect();
});

/** Looks for the end of a head, and refuses the request. */
async function serveReader() {
  const server = createServer((socket) => {
    let end = '';
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      end = (end + chunk.toString('latin1')).slice(-4);
      if (end === '\r\n\r\n') socket.end('HTTP/1.1 401 x\r\ncontent-length: 0\r\n\r\n');
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: server.address().port };
}

async function callMany({ url, count, inFlight, options }) {
  const client = new Client({ url, secret: SECRET, spin: 0, maxConnections: inFlight, ...options });
  const outcomes = {};
  let left = count;
  const lane = async () => {
    while (left-- > 0) {
      const { ok, error } = await client.tryCall('m', 'none');
      const outcome = ok ? 'ok' : error.code;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  await client.close();
  return outcomes;
}

async function collect() {
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {};
}

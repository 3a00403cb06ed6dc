import { Client, encodeRequest, startClearServer } from '../../../build/index.js';
import { http1 } from '../replay.mjs';
import { SECRET } from '../workloads.mjs';

export const title = 'backwater';

const settings = { compressionThreshold: Infinity, maxEncodedArgsSize: 1 << 27 };

export async function serve({ options }, modules = { peer: { echo: (value) => value } }) {
  const server = await startClearServer(SECRET, modules, {
    ...settings,
    maxEncodedResultSize: 1 << 27,
    host: '127.0.0.1',
    port: 0,
    maxConnections: 20_000,
    // Idle connections must stay.
    recvTimeout: 120_000,
    ...options,
  });
  return { port: server.port };
}

export function connect(port, { inFlight, options }) {
  const client = new Client({
    ...settings,
    url: `http://127.0.0.1:${port}`,
    secret: SECRET,
    maxEncodedResultSize: 1 << 27,
    maxConnections: Math.max(64, inFlight),
    recvTimeout: 60_000,
    ...options,
  });
  return {
    call: ({ value }) => client.call('peer', 'echo', [value]),
    close: () => client.close(),
  };
}

export function request({ value }, port) {
  const target = { url: `http://127.0.0.1:${port}`, secret: SECRET };
  const { method, headers, body } = encodeRequest(target, 'peer', 'echo', [value], {
    ...settings,
    acceptEncoding: 'gzip',
  });
  const host = { host: `127.0.0.1:${port}` };
  return http1(method, '/backwater/1/peer/echo/1', { ...host, ...headers }, body);
}

const busyModules = new URL('./busy-modules.mjs', import.meta.url);

/** A function that computes for a millisecond. */
export const busy = {
  title: 'backwater, 1 ms of work',
  request,
  serve: async ({ options }) =>
    serve({ options }, options?.workers ? busyModules : { ...(await import(busyModules.href)) }),
};

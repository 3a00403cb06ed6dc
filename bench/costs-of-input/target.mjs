// node --expose-gc target.mjs LIBRARY: the process under attack, a server or a client, see measure.mjs.
import { answerCommands } from '../rpc/json-process.mjs';

const { Client, expose, startClearServer, startTlsServer } = await import(process.argv[2]);
const SECRET = 'the secret of the costs of input, 32 bytes';

let release;
const held = new Promise((resolve) => (release = resolve));

/** What kinds may call. */
const modules = {
  m: {
    none: () => 'none',
    size: (value) => value?.length ?? 0,
    /** Keeps its argument until it is released. */
    hold: async (value) => {
      await held;
      return value?.length ?? 0;
    },
    count: expose.fn((...args) => args.length, { arity: [0, 255] }),
  },
};

await answerCommands(async ({ serve, call, settle, free }) => {
  if (serve !== undefined) {
    const { moreSecrets = 0, tls, ...options } = serve;
    const fixed = { host: '127.0.0.1', port: 0, spin: 0, headersTimeout: 120_000 };
    // The right one is tried last.
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
  if (settle !== undefined) return await collect();
  if (free !== undefined) release();
  return {};
});

/** Makes calls, some of them at a time, and counts how they ended by code. */
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

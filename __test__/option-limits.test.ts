import test from 'ava';
import {
  type CallContext,
  Client,
  type ClientOptions,
  expose,
  RemoteException,
  type ServerOptions,
} from '../src/index.js';
import { connect, serve } from './support/rpc.js';

const MAX_TIME = 2 ** 31 - 1;
const MAX_SIZE = 2 ** 28 - 1;
/** Linux takes at most 32,767 s for half of `deadPeerTimeout`. */
const TIMES = [65_534_000, 65_536_000, MAX_TIME, Infinity];

const ofServers: Readonly<Partial<Record<keyof ServerOptions, readonly number[]>>> = {
  recvTimeout: TIMES,
  headersTimeout: TIMES,
  requestTimeout: TIMES,
  keepAliveTimeout: [1, ...TIMES],
  sendTimeout: TIMES,
  maxHeaderSize: [1024, 1_048_576],
  maxHeaders: [16, 1000],
  gzipLevel: [1, 9],
  maxConnections: [1, MAX_TIME, Infinity],
  maxCallsInFlight: [1, MAX_TIME, Infinity],
  maxStreams: [1, MAX_TIME, Infinity],
  streamPingInterval: [1, ...TIMES],
  maxBytesInFlight: [1, 2 ** 32 - 1, 2 ** 41, Infinity],
  spin: [0, 1000],
  ioThreads: [1, 64],
  maxClockDifference: [86_400_000],
  replayCapacity: [100, MAX_TIME],
  compressionThreshold: [0, MAX_TIME, Infinity],
  maxEncodedArgsSize: [100_000, MAX_SIZE],
  maxEncodedResultSize: [100_000, MAX_SIZE],
  maxTerms: [100, MAX_SIZE],
};

const ofClients: Readonly<Partial<Record<keyof ClientOptions, readonly number[]>>> = {
  connectTimeout: TIMES,
  recvTimeout: TIMES,
  timeout: TIMES,
  maxRetries: [0, 100],
  hedgeDelay: [0, MAX_TIME, Infinity],
  gzipLevel: [1, 9],
  maxConnections: [1, 65_535],
  maxStreams: [1, 65_535],
  minConnections: [0, 64],
  maxConnectionAge: [1, ...TIMES],
  deadPeerTimeout: [1000, ...TIMES],
  maxQueuedCalls: [0, MAX_TIME, Infinity],
  maxBytesInFlight: [1, 2 ** 32 - 1, 2 ** 41, Infinity],
  idleTimeout: [1, ...TIMES],
  spin: [0, 1000],
  compressionThreshold: [0, MAX_TIME, Infinity],
  maxEncodedArgsSize: [100_000, MAX_SIZE],
  maxEncodedResultSize: [100_000, MAX_SIZE],
  maxTerms: [100, MAX_SIZE],
};

const modules = { m: { same: (value: unknown) => value } };
const value = ['x'.repeat(1000), 'y'.repeat(20_000), 1];

for (const [name, values] of Object.entries(ofServers)) {
  test(`a server with ${name} at its limits answers calls`, async (t) => {
    for (const limit of values) {
      const replay = /^maxClock|^replay/.test(name)
        ? ({ replayProtection: 'prefer' } as const)
        : {};
      const server = await serve(t, modules, { ...replay, [name]: limit });
      const client = connect(t, server, { replayProtection: true });
      for (let call = 0; call < 3; call++) {
        t.deepEqual(await client.call('m', 'same', [value]), value, `${name}: ${limit}`);
      }
      await client.close();
      await server.close();
    }
  });
}

for (const [name, values] of Object.entries(ofClients)) {
  test(`a client with ${name} at its limits makes calls`, async (t) => {
    const server = await serve(t, modules);
    for (const limit of values) {
      const client = connect(t, server, { idempotent: true, [name]: limit });
      for (let call = 0; call < 3; call++) {
        t.deepEqual(await client.call('m', 'same', [value]), value, `${name}: ${limit}`);
      }
      await client.close();
    }
  });
}

test('the signal of a call does not abort before the maximum deadline', async (t) => {
  const watch = async ({ signal }: CallContext): Promise<boolean> => {
    const { aborted } = signal;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return aborted || signal.aborted;
  };
  const server = await serve(t, { m: { watch: expose.fn(watch, { context: true }) } });
  for (const timeout of [MAX_TIME, MAX_TIME - 1, MAX_TIME - 5, MAX_TIME - 1000]) {
    const client = connect(t, server, { timeout, recvTimeout: Infinity });
    t.false(await client.call('m', 'watch'), String(timeout));
  }
});

test('an exception reports a result over the limit even if the limit leaves no room for it', async (t) => {
  for (const maxEncodedResultSize of [1, 100]) {
    const server = await serve(t, modules, { maxEncodedResultSize });
    const client = connect(t, server);
    const error = await t.throwsAsync(client.call('m', 'same', ['x'.repeat(200)]), {
      instanceOf: RemoteException,
    });
    t.regex(error!.message, /larger than maxEncodedResultSize, \d+ bytes/);
  }
});

test('an unusable DNS server fails only its own client', async (t) => {
  const secret = 'a secret for tests, 32 bytes long!';
  const of = (dnsServers: string[]): Client =>
    new Client({ url: 'name.example:8080', secret, dnsServers });
  for (const address of ['127.0.0.1:0', '[::1]:0', '127.0.0.1:65536']) {
    t.throws(() => of([address]), { message: /'dnsServers' takes/ });
  }
  const client = of(['127.0.0.1:1']);
  const error = await t.throwsAsync(client.call('m', 'f'), { message: /cannot resolve/ });
  t.notRegex(error!.message, /is the server running/);
  await client.close();
});

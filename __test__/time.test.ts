import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import {
  type CallPhase,
  type Client,
  type ClientOptions,
  encodeRequest,
  TimeoutError,
} from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';
import { deafPort, eventually, openSockets, stallingServer } from './support/stalling.js';

const PHASES = ['queued', 'resolve', 'connect', 'tls', 'send', 'wait', 'receive'];
const LONG = 60_000;
/** In milliseconds. On a busy machine, short ones may expire before the call stalls. */
const LIMITS = [300, 1000, 5000, 20_000];

interface Stalled {
  readonly url: string;
  readonly args?: readonly unknown[];
  readonly options?: Partial<ClientOptions>;
  /** True once the call has left nothing behind. */
  settled(): boolean;
  readonly client?: Client;
}

const stalls: Readonly<Record<string, (t: ExecutionContext) => Promise<Stalled>>> = {
  async queued(t) {
    const server = await serve(t, { m: { f: () => new Promise(() => {}) } });
    const options = { maxConnections: 1, connectTimeout: LONG, recvTimeout: LONG };
    const client = connect(t, server, options);
    const controller = new AbortController();
    t.teardown(() => controller.abort());
    client.call('m', 'f', [], { signal: controller.signal }).catch(() => {});
    await eventually('the only connection is busy', () => server.stats().pending === 1);
    return { url: server.url, options, client, settled: () => client.stats().queued === 0 };
  },
  async resolve(t) {
    const { createSocket } = await import('node:dgram');
    const dns = createSocket('udp4');
    dns.bind(0, '127.0.0.1');
    await once(dns, 'listening');
    t.teardown(() => dns.close());
    const dnsServers = [`127.0.0.1:${dns.address().port}`];
    return { url: 'http://name.test:8080', options: { dnsServers }, settled: () => true };
  },
  async connect(t) {
    const port = await deafPort(t);
    const before = openSockets();
    return { url: `http://127.0.0.1:${port}`, settled: () => openSockets() <= before };
  },
  async tls(t) {
    const server = await stallingServer(t, (socket) => socket.resume());
    const url = server.url.replace('http:', 'https:');
    return { url, settled: () => server.closed() === server.accepted() };
  },
  async 'tls, half of it'(t) {
    const server = await stallingServer(t, (socket) => {
      socket.once('data', () => socket.write(Buffer.from([22, 3, 3, 0, 100, 2])));
    });
    const url = server.url.replace('http:', 'https:');
    return { url, settled: () => server.closed() === server.accepted() };
  },
  async send(t) {
    const server = await stallingServer(t, (socket) => socket.pause());
    const args = [Buffer.alloc(7 * 1024 * 1024)];
    const options = { compressionThreshold: Infinity };
    // A peer that does not read does not see the end either.
    const before = openSockets();
    return { url: server.url, args, options, settled: () => openSockets() <= before + 1 };
  },
  async wait(t) {
    const server = await stallingServer(t, (socket) => socket.resume());
    return { url: server.url, settled: () => server.closed() === server.accepted() };
  },
  async 'receive, half a header'(t) {
    const server = await stallingServer(t, (socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-'));
    });
    return { url: server.url, settled: () => server.closed() === server.accepted() };
  },
  async 'receive, half a body'(t) {
    const server = await serve(t, { m: { f: () => 'x'.repeat(200_000) } });
    const { connect: dial } = await import('node:net');
    const proxy = await stallingServer(t, (socket) => {
      const upstream = dial(server.port, '127.0.0.1');
      upstream.on('error', () => {});
      socket.on('close', () => upstream.destroy());
      socket.pipe(upstream);
      let left = 600;
      upstream.on('data', (chunk: Buffer) => {
        socket.write(chunk.subarray(0, left));
        left -= Math.min(left, chunk.length);
      });
    });
    return { url: proxy.url, settled: () => proxy.closed() === proxy.accepted() };
  },
};

for (const [name, stall] of Object.entries(stalls)) {
  const phase = name.split(',')[0] as CallPhase;
  const connecting = PHASES.indexOf(phase) <= PHASES.indexOf('tls');
  const own = connecting ? 'connectTimeout' : 'recvTimeout';

  for (const option of [own, 'timeout'] as const) {
    test.serial(`${option} ends a call in phase ${name}`, async (t) => {
      for (const limit of LIMITS) {
        const { url, args = [], options, settled, client: busy } = await stall(t);
        const limits = { connectTimeout: LONG, recvTimeout: LONG, ...options };
        const client = busy ?? connect(t, { url }, limits);
        const before = client.stats().pending;
        const started = performance.now();
        const error = await t.throwsAsync(client.call('m', 'f', args, { [option]: limit }), {
          instanceOf: TimeoutError,
        });
        const elapsed = performance.now() - started;
        t.like(error, { option, limit });
        t.deepEqual(Object.keys(error.times), PHASES);
        const total = Object.values(error.times).reduce((sum, time) => sum + time, 0);
        t.true(total >= limit - 1 && total <= elapsed + 1, `${total} of ${elapsed}`);
        t.true(error.message.includes(`option ${option}`) && error.message.includes(error.phase));
        t.is(client.stats().pending, before);
        await eventually('nothing is left of the call', settled);
        const isEarly = PHASES.indexOf(error.phase) < PHASES.indexOf(phase);
        if (isEarly && limit !== LIMITS.at(-1)) continue;
        t.is(error.phase, phase);
        break;
      }
    });
  }

  test.serial(`a call is aborted in phase ${name}`, async (t) => {
    const { url, args = [], options, settled } = await stall(t);
    const client = connect(t, { url }, { connectTimeout: LONG, recvTimeout: LONG, ...options });
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = new Set<unknown>();
    const { addEventListener: add, removeEventListener: remove } = signal;
    signal.addEventListener = (type: string, listener: never) => {
      listeners.add(listener);
      add.call(signal, type, listener);
    };
    signal.removeEventListener = (type: string, listener: never) => {
      listeners.delete(listener);
      remove.call(signal, type, listener);
    };
    const pending = client.call('m', 'f', args, { signal });
    t.is(listeners.size, 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const reason = new Error('mine');
    controller.abort(reason);
    t.is(await t.throwsAsync(pending), reason);
    t.deepEqual([client.stats().pending, listeners.size], [0, 0]);
    await eventually('nothing is left of the call', settled);
  });
}

test.serial('a call that is aborted beforehand opens no connection', async (t) => {
  const server = await stallingServer(t, () => {});
  const client = connect(t, server);
  const reason = new Error('mine');
  const aborted = client.call('m', 'f', [], { signal: AbortSignal.abort(reason) });
  t.is(await t.throwsAsync(aborted), reason);
  t.deepEqual([client.stats().pending, server.accepted()], [0, 0]);
});

test.serial('an aborted call frees its place in the queue for the next one', async (t) => {
  const waiting: (() => void)[] = [];
  const server = await serve(t, {
    m: { hold: () => new Promise<void>((resolve) => waiting.push(resolve)), f: () => 1 },
  });
  const client = connect(t, server, { maxConnections: 1, maxQueuedCalls: 1, recvTimeout: LONG });
  const held = client.call('m', 'hold');
  await eventually('the connection is busy', () => waiting.length === 1);
  const controller = new AbortController();
  const first = client.call('m', 'f', [], { signal: controller.signal });
  await eventually('it waits', () => client.stats().queued === 1);
  await t.throwsAsync(client.call('m', 'f'), { code: 'ERR_BACKWATER_QUEUE_FULL' });
  controller.abort();
  t.is(await first.catch((error: unknown) => error), controller.signal.reason);
  await eventually('it no longer waits', () => client.stats().queued === 0);
  const second = client.call('m', 'f');
  await eventually('the next one waits', () => client.stats().queued === 1);
  waiting[0]!();
  t.is(await second, 1);
  await held;
});

test.serial('a timeout leaves no timer behind', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, server);
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  await client.call('m', 'f', [], { timeout: LONG });
  t.true(timers() <= before);
});

test.serial('only a call with a timeout tells the server how long the caller waits', async (t) => {
  const heads: string[] = [];
  const server = await stallingServer(t, (socket) => {
    socket.once('data', (data: Buffer) => {
      heads.push(data.toString('latin1').split('\r\n\r\n')[0]!);
      socket.destroy();
    });
  });
  const client = connect(t, server);
  for (const options of [{}, { timeout: LONG }, { timeout: LONG, recvTimeout: LONG / 2 }]) {
    await t.throwsAsync(client.call('m', 'f', [], options));
  }
  const told = heads.map((head) => /^x-backwater-timeout: (\d+)\r?$/m.exec(head)?.[1]);
  t.is(told[0], undefined);
  t.true(Number(told[1]) > 0 && Number(told[1]) <= LONG, String(told));
  t.is(told[2], String(LONG / 2));
  for (const [index, head] of heads.entries()) {
    const list = /headers="([^"]*)"/.exec(head)![1]!.split(' ');
    t.is(list.includes('x-backwater-timeout'), index > 0);
  }
});

test.serial('encodeRequest sends the timeout, too', (t) => {
  const target = { url: 'http://127.0.0.1:1', secret };
  const { headers } = encodeRequest(target, 'm', 'f', [], { timeout: 1234 });
  t.is(headers['x-backwater-timeout'], '1234');
  t.is(encodeRequest(target, 'm', 'f').headers['x-backwater-timeout'], undefined);
});

import test, { type ExecutionContext } from 'ava';
import {
  BackwaterError,
  Client,
  startClearServer,
  startTlsServer,
  type ClientOptions,
  type Server,
} from '../src/index.js';
import { Authority } from './support/certificates.js';
import { FaultyProxy, type Fault, type FaultKind } from './support/faulty-proxy.js';
import { secret } from './support/rpc.js';

// Each call settles once, with its own value or an error; its function is called at most once, with
// the right arguments; and the next call works.

const KINDS: readonly FaultKind[] = ['cut', 'reset', 'stall', 'split', 'corrupt'];
const LANES = 48;
const TIMES = { stall: 400, corrupt: 1500 };
const PATIENT = { connectTimeout: 120_000, recvTimeout: 120_000 };

test('each call settles once when a plain connection fails at any byte', async (t) => {
  const { modules, calls } = counting();
  const options = { host: '127.0.0.1', port: 0, recvTimeout: 120_000 };
  const server = await startClearServer(secret, modules, options);
  t.teardown(() => server.close({ timeout: 0 }));
  await tryAll(t, server, calls, 'http', {}, KINDS);
});

// TLS is slow, so try only some of the faults that take the same branch.
for (const [kinds, every] of [
  [['cut', 'corrupt'], 1],
  [['reset', 'stall', 'split'], 13],
] as const) {
  test(`each call settles once when a TLS connection fails at any byte: ${kinds.join(', ')}`, async (t) => {
    const authority = new Authority();
    t.teardown(() => authority.remove());
    const { modules, calls } = counting();
    const options = { host: '127.0.0.1', port: 0, recvTimeout: 120_000, tls: authority.server() };
    const server = await startTlsServer(secret, modules, options);
    t.teardown(() => server.close({ timeout: 0 }));
    const trust = { tls: { ca: authority.cert } };
    await tryAll(t, server, calls, 'https', trust, kinds, every);
  });
}

function counting(): {
  modules: { m: { f: (token: string) => unknown } };
  calls: Map<string, number>;
} {
  const calls = new Map<string, number>();
  const f = (token: string): unknown => {
    calls.set(token, (calls.get(token) ?? 0) + 1);
    return [token, 'answered'];
  };
  return { modules: { m: { f } }, calls };
}

async function tryAll(
  t: ExecutionContext,
  server: Server,
  calls: Map<string, number>,
  scheme: 'http' | 'https',
  options: Partial<ClientOptions>,
  kinds: readonly FaultKind[],
  every = 1,
): Promise<void> {
  t.timeout(600_000);
  const faults = await allFaults(server, scheme, options, kinds, every);
  t.true(faults.length > 1000 / every, `${faults.length} faults`);
  const outcomes = { value: 0, error: 0 };
  const failures: string[] = [];
  const queue = faults.entries();
  const lane = async (): Promise<void> => {
    const proxy = await FaultyProxy.start(server.port);
    t.teardown(() => proxy.close());
    const url = `${scheme}://127.0.0.1:${proxy.port}`;
    for (const [number, fault] of queue) {
      const what = `${fault.kind} at byte ${fault.offset} of the ${fault.direction}`;
      const client = new Client({ url, secret, maxConnections: 1, ...PATIENT, ...options });
      proxy.next = fault;
      const token = tokenOf(number);
      const time =
        fault.kind === 'stall' || fault.kind === 'corrupt'
          ? TIMES[fault.kind]
          : PATIENT.recvTimeout;
      const first = await client.tryCall('m', 'f', [token], {
        connectTimeout: time,
        recvTimeout: time,
      });
      proxy.calm();
      if (first.ok) {
        outcomes.value++;
        if (!same(first.value, token)) failures.push(`${what}: ${JSON.stringify(first.value)}`);
      } else {
        outcomes.error++;
        if (!(first.error instanceof BackwaterError))
          failures.push(`${what}: ${String(first.error)}`);
        if (fault.kind === 'split') failures.push(`${what}: ${String(first.error)}`);
      }
      if ((calls.get(token) ?? 0) > 1) failures.push(`${what}: called twice`);
      const next = await client.tryCall('m', 'f', [`${token}, next`]);
      if (!next.ok) failures.push(`${what}: the next call: ${String(next.error)}`);
      else if (!same(next.value, `${token}, next`)) failures.push(`${what}: the next call`);
      await client.close();
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  for (const token of calls.keys()) {
    if (!/^token \d+(, next)?$/.test(token)) failures.push(`called with ${token}`);
  }
  t.deepEqual(failures, []);
  t.true(outcomes.error > 0 && outcomes.value > 0, JSON.stringify(outcomes));
}

async function allFaults(
  server: Server,
  scheme: string,
  options: Partial<ClientOptions>,
  kinds: readonly FaultKind[],
  every: number,
): Promise<Fault[]> {
  const proxy = await FaultyProxy.start(server.port);
  const url = `${scheme}://127.0.0.1:${proxy.port}`;
  const client = new Client({ url, secret, ...PATIENT, ...options });
  await client.call('m', 'f', [tokenOf(999_999)]);
  const { request, response } = proxy.carried;
  await client.close();
  await proxy.close();
  return (['request', 'response'] as const).flatMap((direction) =>
    Array.from({ length: direction === 'request' ? request : response }, (_, offset) => offset)
      .filter((offset) => offset % every === 0)
      .flatMap((offset) => kinds.map((kind) => ({ kind, direction, offset }))),
  );
}

/** All requests have the same length. */
const tokenOf = (number: number): string => `token ${String(number).padStart(6, '0')}`;

const same = (value: unknown, token: string): boolean =>
  JSON.stringify(value) === JSON.stringify([token, 'answered']);

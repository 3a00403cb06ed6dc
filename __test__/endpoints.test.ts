import { setMaxListeners } from 'node:events';
import test from 'ava';
import {
  Client,
  ClosedError,
  ConnectError,
  ConnectionLostError,
  RemoteError,
  RemoteException,
  TimeoutError,
} from '../src/index.js';
import { address, fleet, freePort, member, serverProcess, until } from './support/fleet.js';
import { deaf } from './support/deaf.js';
import { connect, secret, tcpServer } from './support/rpc.js';

const patient = { recvTimeout: 60_000, connectTimeout: 60_000 };
const never = (): Promise<never> => new Promise(() => {});

function tally(values: readonly unknown[]): Map<unknown, number> {
  const counts = new Map<unknown, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

async function many<T>(count: number, make: () => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, make));
}

test('calls are spread over all servers of a list', async (t) => {
  const { urls, port } = await fleet(t, 3);
  const client = connect(t, { url: urls as never }, patient);
  const counts = tally(await many(600, () => client.call('m', 'who')));
  for (const index of [0, 1, 2]) t.true(counts.get(index)! > 150, `${counts.get(index)}`);
  const { endpoints, ...rest } = client.stats();
  t.like(rest, { pending: 0, calls: 600, retries: 0, failovers: 0, hedges: 0, hedgesWon: 0 });
  t.like(rest, { resolutions: 0, lastResolutionError: undefined });
  t.deepEqual(
    endpoints.map(({ address: where, state }) => [where, state]),
    [0, 1, 2].map((index) => [`${address(index)}:${port}`, 'up']),
  );
  t.deepEqual(
    endpoints.map(({ calls }) => calls),
    [0, 1, 2].map((index) => counts.get(index)),
  );
  for (const each of endpoints) t.like(each, { pending: 0, failures: 0, ejectedUntil: undefined });
});

test('a slow server gets fewer calls', async (t) => {
  const { urls } = await fleet(t, 2, (index) => ({ f: index === 0 ? never : () => 1 }));
  const client = connect(t, { url: urls as never }, patient);
  const aborts = new AbortController();
  const { signal } = aborts;
  setMaxListeners(0, signal);
  const calls = Array.from({ length: 100 }, () => client.tryCall('m', 'f', [], { signal }));
  const slow = (): number => client.stats().endpoints[0]!.pending;
  await until(() => slow() > 0 && slow() === client.stats().pending, 'the fast one has answered');
  const pending = slow();
  for (let call = 0; call < 50; call++) t.is(await client.call('m', 'f'), 1);
  t.is(slow(), pending);
  aborts.abort();
  await Promise.all(calls);
  await until(() => slow() === 0, 'they are given up');
});

test('a server that is down fails no call and is ejected', async (t) => {
  const { urls, servers } = await fleet(t, 2);
  await servers[0]!.close();
  const client = connect(t, { url: urls as never }, patient);
  t.deepEqual(tally(await many(200, () => client.call('m', 'who'))), new Map([[1, 200]]));
  const stats = client.stats();
  t.true(stats.failovers > 0);
  t.is(stats.retries, 0);
  const [down, up] = stats.endpoints;
  t.true(down!.failures > 0);
  t.is(up!.failures, 0);
  if (down!.state === 'ejected') t.true(down!.ejectedUntil instanceof Date);
  else t.is(down!.state, 'probing');
});

test('a server that comes back is used again', async (t) => {
  const { urls, servers, port } = await fleet(t, 2);
  await servers[0]!.close();
  const client = connect(t, { url: urls as never }, patient);
  await until(async () => {
    await client.call('m', 'who');
    return client.stats().endpoints[0]!.state === 'ejected';
  }, 'it is ejected');
  await member(t, 0, port);
  await until(async () => (await client.call('m', 'who')) === 0, 'it is called again');
  await until(async () => {
    await client.call('m', 'who');
    return client.stats().endpoints[0]!.state === 'up';
  }, 'it is up');
  const counts = tally(await many(100, () => client.call('m', 'who')));
  t.true(counts.get(0)! > 10);
});

test('when all servers are down, the one that failed least is tried, and the error names it', async (t) => {
  const port = await freePort(t, 2);
  const url = [`${address(0)}:${port}`, `${address(1)}:${port}`] as never;
  const client = connect(t, { url }, patient);
  for (let call = 0; call < 3; call++) {
    const error = await t.throwsAsync(client.call('m', 'who'), { instanceOf: ConnectError });
    t.false(error instanceof ConnectionLostError);
    t.is(error!.phase, 'connect');
    t.is(error!.reason, 'ECONNREFUSED');
    t.regex(error!.message, new RegExp(`127\\.0\\.0\\.[12]:${port}`));
  }
  await member(t, 1, port);
  t.is(await client.call('m', 'who'), 1, 'at once: no call fails because of a pause');
});

test('an unresponsive address leaves time for others', async (t) => {
  // Does not answer (RFC 5737), or on some systems fails at once.
  const { urls } = await fleet(t, 1);
  const url = [`192.0.2.1:9`, urls[0]!] as never;
  const client = connect(t, { url }, { ...patient, connectTimeout: 20_000 });
  for (let call = 0; call < 5; call++) t.is(await client.call('m', 'who'), 0);
});

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('an address that does not answer is tried once and probed without a call', async (t) => {
  const silent = await deaf(t);
  const { urls } = await fleet(t, 1);
  const client = connect(t, { url: [silent.url, urls[0]!] as never }, patient);
  for (let call = 0; call < 30; call++) t.is(await client.call('m', 'who'), 0);
  const [first] = client.stats().endpoints;
  t.true(first!.calls <= 1, 'the first call may have gone there');
  await until(async () => {
    t.is(await client.call('m', 'who'), 0);
    const { state, calls } = client.stats().endpoints[0]!;
    return calls === 0 || state === 'probing';
  }, 'it is probed');
  t.true(client.stats().endpoints[0]!.calls <= 1, 'but not by a call');
});

test('exceptions and refusals do not eject a server', async (t) => {
  const { urls } = await fleet(t, 2, () => ({
    fail: () => {
      throw new Error('mine');
    },
  }));
  const client = connect(t, { url: urls as never }, { ...patient, idempotent: true });
  for (let call = 0; call < 10; call++) {
    await t.throwsAsync(client.call('m', 'fail'), { instanceOf: RemoteException });
    await t.throwsAsync(client.call('m', 'nothing'), { instanceOf: RemoteError });
  }
  const { endpoints, retries, failovers } = client.stats();
  t.deepEqual([retries, failovers], [0, 0]);
  t.true(endpoints.every(({ state, failures }) => state === 'up' && failures === 0));
});

async function hangingUp(
  t: Parameters<typeof tcpServer>[0],
): Promise<{ url: string; seen: number }> {
  const counter = { url: '', seen: 0 };
  const server = await tcpServer(t, (socket) => {
    socket.once('data', () => {
      counter.seen++;
      socket.destroy();
    });
  });
  counter.url = server.url;
  return counter;
}

test('only an idempotent call is retried when its connection is lost', async (t) => {
  const bad = await hangingUp(t);
  const { urls } = await fleet(t, 1);
  const url = [bad.url, urls[0]!] as never;
  for (const idempotent of [true, false]) {
    const client = connect(t, { url }, { ...patient, idempotent });
    let lost = 0;
    for (let call = 0; call < 20; call++) {
      const result = await client.tryCall('m', 'who');
      if (result.ok) t.is(result.value, 0);
      else {
        t.true(result.error instanceof ConnectionLostError);
        lost++;
      }
    }
    const { failures } = client.stats().endpoints[0]!;
    t.true(failures > 0);
    t.is(lost, idempotent ? 0 : failures);
    t.is(client.stats().retries, idempotent ? failures : 0);
  }
});

test('a call or a module can be marked as idempotent or not', async (t) => {
  const bad = await hangingUp(t);
  const { urls } = await fleet(t, 1);
  const url = [bad.url, urls[0]!] as never;
  const client = connect(t, { url }, patient);
  const remote = client.module<{ who(): number }>('m', { idempotent: true });
  for (let call = 0; call < 10; call++) {
    t.is(await remote.who(), 0);
    t.is(await client.call('m', 'who', [], { idempotent: true }), 0);
  }
  t.true(client.stats().retries > 0);
});

test('maxRetries limits the retries of a call', async (t) => {
  const bad = await hangingUp(t);
  for (const maxRetries of [0, 1, 3]) {
    const client = connect(t, bad, { ...patient, idempotent: true, maxRetries });
    const before = bad.seen;
    await t.throwsAsync(client.call('m', 'f'), { instanceOf: ConnectionLostError });
    t.is(bad.seen - before, maxRetries + 1);
    t.is(client.stats().retries, maxRetries);
  }
});

test('retries stay within a tenth of the calls plus the reserve', async (t) => {
  const bad = await hangingUp(t);
  const client = connect(t, bad, { ...patient, idempotent: true });
  const start = Date.now();
  for (let round = 0; round < 10; round++) {
    await many(60, () => t.throwsAsync(client.call('m', 'f')));
  }
  const seconds = Math.ceil((Date.now() - start) / 1000);
  const { retries } = client.stats();
  t.true(retries >= 50, `${retries}`);
  t.true(retries <= 600 / 10 + 50 + 10 * seconds, `${retries} in ${seconds} s`);
  t.is(bad.seen, 600 + retries);
});

for (const [what, answer] of [
  ['a proxy', 'HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n'],
  ['an unsigned server', 'HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n'],
] as const) {
  test(`an unsigned 502 is retried and an unsigned 401 is not: ${what}`, async (t) => {
    const bad = await tcpServer(t, (socket) => {
      socket.once('data', () => socket.end(answer));
    });
    const { urls } = await fleet(t, 1);
    const url = [bad.url, urls[0]!] as never;
    const client = connect(t, { url }, { ...patient, idempotent: true });
    const results = await many(40, () => client.tryCall('m', 'who'));
    t.is(
      results.every(({ ok }) => ok),
      answer.includes('502'),
    );
  });
}

test('a signed 503 sends an idempotent call to another server', async (t) => {
  const port = await freePort(t, 2);
  const { startClearServer } = await import('../src/index.js');
  const busy = await startClearServer(
    secret,
    { m: { who: () => 0, never } },
    { host: address(0), port, maxCallsInFlight: 1 },
  );
  t.teardown(() => busy.close({ timeout: 0 }));
  await member(t, 1, port);
  const holder = connect(t, busy, patient);
  const aborts = new AbortController();
  const held = holder.tryCall('m', 'never', [], { signal: aborts.signal });
  await until(() => busy.stats().pending === 1, 'it is busy');
  const url = [`${address(0)}:${port}`, `${address(1)}:${port}`] as never;
  const client = connect(t, { url }, patient);
  let refused = 0;
  for (let call = 0; call < 30; call++) {
    t.is(await client.call('m', 'who', [], { idempotent: true }), 1);
    const result = await client.tryCall('m', 'who');
    if (!result.ok) {
      t.is((result.error as RemoteError).httpStatus, 503);
      refused++;
    }
  }
  t.true(refused > 0 && client.stats().retries > 0);
  t.is(client.stats().endpoints[0]!.state, 'up', 'a refusal is an answer');
  aborts.abort();
  await held;
});

test('a timed-out attempt is retried only within an overall timeout', async (t) => {
  const { urls } = await fleet(t, 2, (index) => ({ f: index === 0 ? never : () => 1 }));
  const slowFirst = async (options: object): Promise<unknown[]> => {
    const client = connect(t, { url: urls as never }, { connectTimeout: 60_000 });
    return Promise.all(
      Array.from({ length: 12 }, () =>
        client.tryCall('m', 'f', [], { idempotent: true, recvTimeout: 1000, ...options }),
      ),
    ).then((results) => results.map(({ ok }) => ok));
  };
  let all: unknown[] = [false];
  // On a busy machine the other server may need more time.
  for (const recvTimeout of [1000, 5000, 30_000]) {
    if (all.includes(false)) all = await slowFirst({ timeout: 240_000, recvTimeout });
  }
  t.false(all.includes(false));
  t.true((await slowFirst({})).includes(false));
});

test('a hedge gets the answer from a second server when the first is slow', async (t) => {
  const { urls, servers } = await fleet(t, 2, (index) => ({ f: index === 0 ? never : () => 1 }));
  const client = connect(t, { url: urls as never }, patient);
  let calls = 0;
  do {
    t.is(await client.call('m', 'f', [], { idempotent: true, hedgeDelay: 20 }), 1);
  } while (++calls < 10 || client.stats().hedgesWon === 0);
  const { hedges, hedgesWon, endpoints, pending } = client.stats();
  t.true(hedgesWon > 0 && hedgesWon <= hedges, `${hedgesWon} of ${hedges}`);
  t.is(endpoints[0]!.calls + endpoints[1]!.calls, calls + hedges);
  t.is(pending, 0);
  t.is(endpoints[0]!.pending, 0, 'the others are given up');
  await until(() => servers[0]!.stats().connections === 0, 'their connections are closed');
});

test('only an idempotent call with two servers is hedged', async (t) => {
  let wanted = 1;
  let begun = 0;
  const { urls } = await fleet(t, 2, () => ({
    async f() {
      begun++;
      await until(() => begun >= wanted, 'all calls have begun');
      await new Promise((resolve) => setTimeout(resolve, 50));
      return 1;
    },
  }));
  const client = connect(t, { url: urls as never }, { ...patient, hedgeDelay: 0 });
  t.is(await client.call('m', 'f'), 1);
  t.is(client.stats().hedges, 0);
  const single = connect(t, { url: urls[0]! }, { ...patient, hedgeDelay: 0, idempotent: true });
  t.is(await single.call('m', 'f'), 1);
  t.is(single.stats().hedges, 0);
  wanted = begun + 2;
  t.is(await client.call('m', 'f', [], { idempotent: true }), 1);
  t.is(client.stats().hedges, 1);
});

test('hedges use up the retry budget', async (t) => {
  const { urls } = await fleet(t, 2, () => ({
    f: () => until(() => client.stats().hedges >= 50, 'the reserve is used'),
  }));
  const client = connect(
    t,
    { url: urls as never },
    { ...patient, idempotent: true, hedgeDelay: 0 },
  );
  const start = Date.now();
  for (let round = 0; round < 5; round++) await many(60, () => client.call('m', 'f'));
  const seconds = Math.ceil((Date.now() - start) / 1000);
  const { hedges } = client.stats();
  t.true(hedges >= 50 && hedges <= 300 / 10 + 50 + 10 * seconds, `${hedges} in ${seconds} s`);
});

test('an exception that arrives first settles a hedged call', async (t) => {
  const { urls } = await fleet(t, 2, (index) => ({
    f: () => {
      if (index === 0) return never();
      throw new Error('mine');
    },
  }));
  const client = connect(t, { url: urls as never }, patient);
  const options = { idempotent: true, hedgeDelay: 5 };
  await t.throwsAsync(client.call('m', 'f', [], options), { instanceOf: RemoteException });
});

test('a hedged call waits for its other attempt if one fails', async (t) => {
  const bad = await hangingUp(t);
  const { urls } = await fleet(t, 1, () => ({
    f: () => new Promise((resolve) => setTimeout(() => resolve(1), 100)),
  }));
  const url = [bad.url, urls[0]!] as never;
  const client = connect(t, { url }, patient);
  for (let call = 0; call < 5; call++) {
    t.is(await client.call('m', 'f', [], { idempotent: true, hedgeDelay: 0 }), 1);
  }
});

for (const [what, options] of [
  ['a call', {}],
  ['a hedged call', { idempotent: true, hedgeDelay: 0 }],
] as const) {
  test(`aborting ${what} aborts all its attempts`, async (t) => {
    const { urls, servers } = await fleet(t, 2, () => ({ never }));
    const client = connect(t, { url: urls as never }, patient);
    const aborts = new AbortController();
    const call = client.call('m', 'never', [], { ...options, signal: aborts.signal });
    const wanted = 'hedgeDelay' in options ? 2 : 1;
    const open = (): number => servers.reduce((sum, server) => sum + server.stats().connections, 0);
    await until(() => open() === wanted, 'the calls are there');
    aborts.abort(new Error('enough'));
    await t.throwsAsync(call, { message: 'enough' });
    await until(() => open() === 0, 'they are gone');
    t.true(client.stats().endpoints.every(({ pending }) => pending === 0));
  });
}

test('closing the client ends a call that pauses before a retry', async (t) => {
  const bad = await hangingUp(t);
  const client = new Client({
    url: bad.url,
    secret,
    ...patient,
    idempotent: true,
    maxRetries: 100,
  });
  const call = t.throwsAsync(client.call('m', 'f'));
  await until(() => bad.seen > 1, 'it was made again');
  await client.close();
  const error = await call;
  t.true(error instanceof ConnectionLostError || error instanceof ClosedError, String(error));
  const { seen } = bad;
  await t.throwsAsync(client.call('m', 'f'), { instanceOf: ClosedError });
  t.is(bad.seen, seen);
});

test('the overall timeout includes all attempts', async (t) => {
  const bad = await hangingUp(t);
  const client = connect(t, bad, { ...patient, idempotent: true, maxRetries: 100, timeout: 400 });
  const error = await t.throwsAsync(client.call('m', 'f'));
  t.true(error instanceof TimeoutError || error instanceof ConnectionLostError, String(error));
});

for (const idempotent of [false, true]) {
  const what = idempotent ? 'no idempotent call' : 'at most the calls that it held';
  test(`killing a loaded server fails ${what}`, async (t) => {
    const port = await freePort(t, 3);
    const servers = await Promise.all([0, 1, 2].map((index) => serverProcess(t, index, port)));
    const client = connect(
      t,
      { url: servers.map(({ url }) => url) as never },
      { ...patient, idempotent },
    );
    let stopped = false;
    const errors: unknown[] = [];
    let after = 0;
    const load = Array.from({ length: 48 }, async () => {
      while (!stopped) {
        const result = await client.tryCall('m', 'hold', [50]);
        if (!result.ok) errors.push(result.error);
        if (killed) after++;
      }
    });
    let killed = false;
    await servers[0]!.holding(5);
    await servers[0]!.kill();
    killed = true;
    await until(() => after > 300, '300 calls after it');
    stopped = true;
    await Promise.all(load);
    for (const error of errors) t.true(error instanceof ConnectionLostError, String(error));
    t.true(errors.length <= (idempotent ? 0 : 48), `${errors.length}`);
    const { endpoints } = client.stats();
    t.true(endpoints[0]!.failures > 0);
    t.not(endpoints[0]!.state, 'up');
    t.is(endpoints[0]!.pending, 0);
    t.is(errors.length, idempotent ? 0 : endpoints[0]!.failures - client.stats().failovers);
  });
}

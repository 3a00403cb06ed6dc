import nodeDns from 'node:dns';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  Client,
  ConnectError,
  OptionError,
  TimeoutError,
  TlsError,
  type EndpointAddress,
} from '../src/index.js';
import { HOSTS_FILE, HostsFile, parseHosts } from '../src/resolve/hosts.js';
import { Resolver } from '../src/resolve/resolver.js';
import { isFixed, parseSource } from '../src/resolve/targets.js';
import { Authority } from './support/certificates.js';
import { Dnsmasq, hasDnsmasq } from './support/dnsmasq.js';
import { address, fleet, freePort, member, until } from './support/fleet.js';
import { connect, secret, serve } from './support/rpc.js';
import { serveTls } from './support/tls.js';

const patient = { recvTimeout: 60_000, connectTimeout: 60_000 };

function refused(url: unknown): OptionError {
  try {
    parseSource(url);
  } catch (error) {
    if (error instanceof OptionError) return error;
    throw error;
  }
  throw new Error(`not refused: ${String(url)}`);
}

test('url accepts hosts, URLs, lists, SRV names and functions', (t) => {
  t.like(parseSource('10.0.0.1'), [{ kind: 'host', endpoint: { host: '10.0.0.1', port: 8080 } }]);
  t.like(parseSource(['a:1', new URL('http://b:2')]), [
    { kind: 'host', endpoint: { host: 'a', port: 1 } },
    { kind: 'host', endpoint: { host: 'b', port: 2 } },
  ]);
  for (const [url, name] of [
    ['srv+http://_backwater._tcp.Example.COM', '_backwater._tcp.example.com'],
    ['SRV+HTTP://fleet/', 'fleet'],
    ['srv+http://fleet.example./backwater/1/', 'fleet.example'],
    [new URL('srv+http://_x._tcp.fleet'), '_x._tcp.fleet'],
  ] as const) {
    t.deepEqual(parseSource(url), [{ kind: 'srv', scheme: 'http', name }]);
  }
  const resolve = (): string[] => [];
  t.is(parseSource(resolve), resolve);
});

test('the error for an invalid url gives its index', (t) => {
  for (const url of [[], undefined, null, 5, {}, 'a:b', 'srv+ftp://x', 'srv+http://']) {
    t.is(refused(url).option, 'url', String(url));
  }
  for (const url of ['srv+http://a:80', 'srv+http://u@a', 'srv+http://a/x', 'srv+http://a?b']) {
    t.is(refused(url).option, 'url', url);
  }
  const error = refused(['10.0.0.1', 'a:b']);
  t.is(error.option, 'url[1]');
  t.true(error.message.startsWith("option 'url[1]' takes "), error.message);
  t.is(refused(['a', ['b']]).option, 'url[1]');
  t.is(refused(Array.from({ length: 1 })).option, 'url[0]');
});

test('only IP addresses need no resolution', (t) => {
  t.true(isFixed(parseSource(['10.0.0.1', 'http://[::1]:80'])));
  t.false(isFixed(parseSource(['10.0.0.1', 'localhost'])));
  t.false(isFixed(parseSource('srv+http://a')));
  t.false(isFixed(parseSource(() => [])));
});

test('parses a hosts file', (t) => {
  const table = parseHosts(
    '# comment\n127.0.0.1\tlocalhost  Alias # more\r\n::1 localhost\nnonsense name\n' +
      '10.0.0.1 alias alias\n\nfe80::1%lo0 zone\n10.0.0.2',
  );
  t.deepEqual(Object.fromEntries(table), {
    localhost: ['127.0.0.1', '::1'],
    alias: ['127.0.0.1', '10.0.0.1'],
  });
});

test('the hosts file is reread when it has changed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-hosts-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'hosts');
  const hosts = new HostsFile(path);
  t.deepEqual(await hosts.addresses('server'), []);
  t.deepEqual(await hosts.addresses('localhost'), ['127.0.0.1', '::1']);
  t.deepEqual(await hosts.addresses('x.localhost'), ['127.0.0.1', '::1']);
  writeFileSync(path, '10.0.0.1 server\n127.0.0.1 localhost\n');
  t.deepEqual(await hosts.addresses('SERVER.'), ['10.0.0.1']);
  t.deepEqual(await hosts.addresses('localhost'), ['127.0.0.1']);
  writeFileSync(path, '10.0.0.1 server\n10.0.0.22 server\n');
  t.deepEqual(await hosts.addresses('server'), ['10.0.0.1', '10.0.0.22']);
  rmSync(path);
  t.deepEqual(await hosts.addresses('server'), []);
});

test('localhost works if the server listens on only one of its addresses', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, { url: `http://localhost:${server.port}` }, patient);
  for (let call = 0; call < 20; call++) t.is(await client.call('m', 'f'), 1);
  t.is(client.stats().resolutions, 1);
  t.is(client.stats().endpoints[0]!.host, `localhost:${server.port}`);
});

const listed = [...parseHosts(readFileSync(HOSTS_FILE, 'utf8'))].find(
  ([name, addresses]) => name !== 'localhost' && addresses.includes('127.0.0.1'),
);
(listed === undefined ? test.skip : test)(`a name of the hosts file (${hostname()})`, async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, { url: `${listed![0]}:${server.port}` }, patient);
  t.is(await client.call('m', 'f'), 1);
});

test('a function can return the servers', async (t) => {
  const { port } = await fleet(t, 3);
  let contexts = 0;
  const url = async ({ signal }: { signal: AbortSignal }): Promise<Iterable<unknown>> => {
    contexts++;
    t.false(signal.aborted);
    return new Set<unknown>([
      `${address(0)}:${port}`,
      new URL(`http://${address(1)}:${port}`),
      { host: address(2), port, weight: 8 },
    ]);
  };
  const client = connect(t, { url: url as never }, patient);
  t.is(contexts, 0, 'not before the first call');
  const answers = await Promise.all(Array.from({ length: 600 }, () => client.call('m', 'who')));
  t.is(contexts, 1);
  const [first, second, third] = [0, 1, 2].map((i) => answers.filter((a) => a === i).length);
  t.true(third! > first! * 4 && third! > second! * 4, `${first} ${second} ${third}`);
  t.true(first! > 20 && second! > 20, `${first} ${second} ${third}`);
});

test('a resolver function runs again after resolveInterval, and its result is used at once', async (t) => {
  const open: (() => void)[] = [];
  const gate = (): Promise<number> => new Promise((resolve) => open.push(() => resolve(7)));
  const { port, servers } = await fleet(t, 3, () => ({ gate }));
  let current: EndpointAddress[] = [{ host: address(0), port }];
  const options = { ...patient, resolveInterval: 20, idleTimeout: 300_000 };
  const client = connect(t, { url: (() => current) as never }, options);
  t.is(await client.call('m', 'who'), 0);
  const calls = Array.from({ length: 4 }, () => client.call('m', 'gate'));
  await until(() => open.length === 4, 'four connections are open');
  for (const answer of open.splice(1)) answer();
  await until(() => client.stats().pending === 1, 'three of them are idle');
  t.is(servers[0]!.stats().connections, 4);
  current = [1, 2].map((index) => ({ host: address(index), port }));
  await until(() => client.stats().endpoints.length === 2, 'the new ones are known');
  for (let call = 0; call < 40; call++) t.not(await client.call('m', 'who'), 0);
  t.is(client.stats().pending, 1, 'the call on the old one goes on');
  await until(() => servers[0]!.stats().connections === 1, 'its idle connections are closed');
  open[0]!();
  t.deepEqual(await Promise.all(calls), [7, 7, 7, 7]);
  await until(() => servers[0]!.stats().connections === 0, 'and the last one, too');
});

test('a call finishes on an address that is removed meanwhile', async (t) => {
  const port = await freePort(t, 2);
  let answer!: (value: number) => void;
  const later = new Promise<number>((resolve) => (answer = resolve));
  const first = await member(t, 0, port, { later: () => later });
  await member(t, 1, port);
  let current = 0;
  const url = (): unknown[] => [{ host: address(current), port }];
  const client = connect(t, { url: url as never }, { ...patient, resolveInterval: 20 });
  const call = client.call('m', 'later');
  await until(() => first.stats().pending === 1, 'it is there');
  current = 1;
  await until(async () => (await client.call('m', 'who')) === 1, 'the other one is used');
  answer(7);
  t.is(await call, 7);
});

test('a resolver function runs again when a server fails, whatever the interval', async (t) => {
  const { port, servers } = await fleet(t, 2);
  let current = 0;
  let asked = 0;
  const url = (): unknown[] => {
    asked++;
    return [{ host: address(current), port }];
  };
  const client = connect(t, { url: url as never }, { ...patient, resolveInterval: Infinity });
  t.is(await client.call('m', 'who'), 0);
  // An answer younger than a second counts as fresh.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  await servers[0]!.close();
  current = 1;
  t.is(await client.call('m', 'who'), 1, 'the call itself waits for the news');
  t.is(asked, 2);
});

test('a resolver does not run while there are no calls', async (t) => {
  let asked = 0;
  const url = (): unknown[] => {
    asked++;
    return [];
  };
  let found = 0;
  const listener = { found: () => found++, failed: () => {}, unchanged: () => {} };
  const resolver = new Resolver(
    (() => [...url(), '10.0.0.1']) as never,
    { interval: 10, restAfter: 100 },
    listener,
  );
  t.teardown(() => resolver.close());
  const called = (enough: () => boolean) => (): boolean => {
    resolver.touch();
    return enough();
  };
  resolver.refresh();
  await until(
    called(() => found > 2),
    'it resolves by itself',
  );
  let before = -1;
  await until(async () => {
    before = asked;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return asked === before;
  }, 'it rests');
  await until(
    called(() => asked > before),
    'a call wakes it',
  );
  resolver.close();
  before = asked;
  resolver.touch();
  resolver.refresh();
  t.is(asked, before);
});

for (const [what, url, pattern] of [
  ['rejects', () => Promise.reject(new Error('registry is down')), /registry is down/],
  [
    'throws',
    () => {
      throw Object.assign(new Error('no'), { code: 'EMINE' });
    },
    /no$/,
  ],
  ['returns an empty list', () => [], /no servers/],
  ['returns no list', () => 5, /must return a list of servers, not 5/],
  ['returns undefined', () => undefined, /must return a list of servers/],
  ['returns an invalid server', () => [5], /takes a URL/],
  ['returns a bad port', () => [{ host: 'a', port: 0 }], /port from 1 to 65535/],
  ['returns a bad weight', () => [{ host: '127.0.0.1', port: 1, weight: 0 }], /weights from 1/],
] as const) {
  test(`a resolver function that ${what} fails the call`, async (t) => {
    const client = connect(t, { url: url as never }, patient);
    const error = await t.throwsAsync(client.call('m', 'f'), { instanceOf: ConnectError });
    t.is(error!.phase, 'resolve');
    t.regex(error!.message, pattern);
    t.is(client.stats().lastResolutionError instanceof Error, true);
    t.is(client.stats().endpoints.length, 0);
    if (what === 'throws') t.is(error!.reason, 'EMINE');
  });
}

test('a resolver function that fails later does not fail calls', async (t) => {
  const { port } = await fleet(t, 1);
  let asked = 0;
  const url = (): unknown[] => {
    if (++asked > 1) throw new Error('down');
    return [{ host: address(0), port }];
  };
  const client = connect(t, { url: url as never }, { ...patient, resolveInterval: 10 });
  t.is(await client.call('m', 'who'), 0);
  await until(() => client.stats().lastResolutionError !== undefined, 'it was asked again');
  t.is(await client.call('m', 'who'), 0);
  t.is(client.stats().endpoints.length, 1);
  t.regex(client.stats().lastResolutionError!.message, /down/);
});

test('the next calls try again after a failed resolution', async (t) => {
  const { port } = await fleet(t, 1);
  let down = true;
  const url = (): unknown[] => {
    if (down) throw new Error('down');
    return [{ host: address(0), port }];
  };
  const client = connect(t, { url: url as never }, patient);
  await t.throwsAsync(client.call('m', 'who'), { instanceOf: ConnectError });
  down = false;
  await until(async () => (await client.tryCall('m', 'who')).ok, 'it is resolved');
});

test('connectTimeout and abort end a call whose resolver function never answers, and close waits for it', async (t) => {
  let signal: AbortSignal | undefined;
  const url = (context: { signal: AbortSignal }): Promise<never> => {
    signal = context.signal;
    return new Promise(() => {});
  };
  const client = new Client({ url: url as never, secret });
  const error = await t.throwsAsync(client.call('m', 'f', [], { connectTimeout: 50 }), {
    instanceOf: TimeoutError,
  });
  t.is(error!.phase, 'resolve');
  t.is(error!.option, 'connectTimeout');
  const aborts = new AbortController();
  const aborted = t.throwsAsync(client.call('m', 'f', [], { signal: aborts.signal }));
  aborts.abort(new Error('enough'));
  t.is((await aborted)!.message, 'enough');
  const waiting = t.throwsAsync(client.call('m', 'f', [], { connectTimeout: 50 }), {
    instanceOf: TimeoutError,
  });
  await client.close();
  await waiting;
  t.true(signal!.aborted);
  t.is(client.stats().pending, 0);
});

test('an unknown host is a ConnectError', async (t) => {
  const client = connect(t, { url: 'http://does-not-exist.invalid:1' }, patient);
  const error = await t.throwsAsync(client.call('m', 'f'), { instanceOf: ConnectError });
  t.like(error, { phase: 'resolve', host: 'does-not-exist.invalid' });
  t.regex(error!.message, /does-not-exist\.invalid/);
});

const dns = hasDnsmasq() ? test : test.skip;

dns('all addresses of a name are used and refreshed after their TTL', async (t) => {
  const { port, servers } = await fleet(t, 4);
  const name = 'fleet.test';
  const at = (...indexes: number[]): Record<string, string[]> => ({ [name]: indexes.map(address) });
  const dnsmasq = await Dnsmasq.start(t, { hosts: at(0, 1) });
  const client = connect(
    t,
    { url: `http://${name}:${port}` },
    { ...patient, dnsServers: [dnsmasq.server] },
  );
  const answers = async (): Promise<Set<unknown>> => {
    const calls = Array.from({ length: 60 }, () => client.call('m', 'who'));
    return new Set(await Promise.all(calls));
  };
  t.deepEqual([...(await answers())].sort(), [0, 1]);
  t.true(client.stats().endpoints.every(({ host }) => host === `${name}:${port}`));
  await dnsmasq.answer({ hosts: at(1, 2, 3) });
  await until(async () => {
    const seen = await answers();
    return !seen.has(0) && seen.size === 3;
  }, 'the new addresses are used, the old one is not');
  await until(() => servers[0]!.stats().connections === 0, 'its connections are closed');
  await dnsmasq.stop();
  const { resolutions } = client.stats();
  await until(() => client.stats().resolutions > resolutions, 'it was tried to resolve');
  await until(() => client.stats().lastResolutionError !== undefined, 'in vain');
  t.deepEqual([...(await answers())].sort(), [1, 2, 3], 'what was known is kept');
});

dns('a name unknown to DNS is a ConnectError', async (t) => {
  const dnsmasq = await Dnsmasq.start(t, {});
  const client = connect(
    t,
    { url: 'http://missing.test:1' },
    { ...patient, dnsServers: [dnsmasq.server] },
  );
  const error = await t.throwsAsync(client.call('m', 'f'), { instanceOf: ConnectError });
  t.like(error, { phase: 'resolve', host: 'missing.test', reason: 'ENOTFOUND' });
});

dns('dns.setServers determines the DNS servers', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const dnsmasq = await Dnsmasq.start(t, { hosts: { 'chosen.test': ['127.0.0.1'] } });
  const before = nodeDns.getServers();
  const client = connect(t, { url: `http://chosen.test:${server.port}` }, patient);
  nodeDns.setServers([dnsmasq.server]);
  t.teardown(() => nodeDns.setServers(before));
  t.is(await client.call('m', 'f'), 1);
});

dns('the hosts file takes precedence over the option dnsServers', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const dnsmasq = await Dnsmasq.start(t, { hosts: { localhost: ['127.0.0.77'] } });
  const client = connect(
    t,
    { url: `http://localhost:${server.port}` },
    { ...patient, dnsServers: [dnsmasq.server] },
  );
  t.is(await client.call('m', 'f'), 1);
});

dns('SRV records set ports, weights and priorities', async (t) => {
  const ports = [await freePort(t, 1), await freePort(t, 1), await freePort(t, 1)];
  for (const [index, port] of ports.entries()) {
    await serve(t, { m: { who: () => index } }, { port });
  }
  const target = 'host.test';
  const services = {
    '_backwater._tcp.fleet.test': [
      { target, port: ports[0]!, priority: 1, weight: 10 },
      { target, port: ports[1]!, priority: 1, weight: 90 },
      { target, port: ports[2]!, priority: 2, weight: 50 },
    ],
    'plain.test': [{ target, port: ports[2]! }],
  };
  const dnsmasq = await Dnsmasq.start(t, { hosts: { [target]: ['127.0.0.1'] }, services });
  const options = { ...patient, dnsServers: [dnsmasq.server] };
  for (const url of ['srv+http://_backwater._tcp.fleet.test', 'srv+http://fleet.test']) {
    const client = connect(t, { url }, options);
    const answers = await Promise.all(Array.from({ length: 500 }, () => client.call('m', 'who')));
    const counts = [0, 1, 2].map((i) => answers.filter((answer) => answer === i).length);
    t.is(counts[2], 0, 'the second priority is for when nothing else is up');
    t.true(counts[0]! > 5 && counts[1]! > counts[0]! * 4, String(counts));
    t.deepEqual(
      client
        .stats()
        .endpoints.map(({ host }) => host)
        .sort(),
      ports.map((port) => `fleet.test:${port}`).sort(),
    );
  }
  const plain = connect(t, { url: 'srv+http://plain.test' }, options);
  t.is(await plain.call('m', 'who'), 2);
  const none = connect(t, { url: 'srv+http://nothing.test' }, options);
  const error = await t.throwsAsync(none.call('m', 'who'), { instanceOf: ConnectError });
  t.is(error!.phase, 'resolve');
  t.regex(error!.message, /srv\+http:\/\/nothing\.test/);
});

dns('certificates must match the name in the URL, not the address', async (t) => {
  const authority = new Authority();
  t.teardown(() => authority.remove());
  const { cert, key } = authority.server({ names: 'DNS:fleet.test' });
  const port = await freePort(t, 2);
  for (const index of [0, 1]) {
    const options = { host: address(index), port, tls: { cert, key } };
    await serveTls(t, { m: { who: () => index } }, options);
  }
  const target = 'target.test';
  const addresses = [address(0), address(1)];
  const dnsmasq = await Dnsmasq.start(t, {
    hosts: { 'fleet.test': addresses, [target]: addresses },
    services: { '_backwater._tcp.fleet.test': [{ target, port }] },
  });
  const options = { ...patient, dnsServers: [dnsmasq.server], tls: { ca: authority.cert } };
  for (const url of [`https://fleet.test:${port}`, 'srv+https://_backwater._tcp.fleet.test']) {
    const client = connect(t, { url }, options);
    const answers = await Promise.all(Array.from({ length: 40 }, () => client.call('m', 'who')));
    t.deepEqual([...new Set(answers)].sort(), [0, 1], url);
  }
  const other = connect(t, { url: `https://${target}:${port}` }, options);
  const error = await t.throwsAsync(other.call('m', 'who'), { instanceOf: TlsError });
  t.regex(
    error!.message,
    /not valid for name "target\.test"; certificate is only valid for DnsName\("fleet\.test"\)/,
  );
});

dns('SRV records: the second priority is used when the first is down', async (t) => {
  const down = await freePort(t, 1);
  const server = await serve(t, { m: { who: () => 1 } });
  const target = 'host.test';
  const dnsmasq = await Dnsmasq.start(t, {
    hosts: { [target]: ['127.0.0.1'] },
    services: {
      'fleet.test': [
        { target, port: down, priority: 1 },
        { target, port: server.port, priority: 2 },
      ],
    },
  });
  const options = { ...patient, dnsServers: [dnsmasq.server] };
  const client = connect(t, { url: 'srv+http://fleet.test' }, options);
  for (let call = 0; call < 10; call++) t.is(await client.call('m', 'who'), 1);
});

import { createContext, runInContext } from 'node:vm';
import test from 'ava';
import {
  call,
  decodeResponse,
  encodeRequest,
  expose,
  OptionError,
  RemoteError,
  type CallContext,
  type MetadataInput,
  type Modules,
  type Server,
} from '../src/index.js';
import { erlangAvailable, startErlangClient, startErlangServer } from './interop/erlang.js';
import { Authority } from './support/certificates.js';
import { connect, secret, serve } from './support/rpc.js';
import { exchangeRaw, requestBytes, signedRequest, type RequestParts } from './support/signing.js';
import { serveTls } from './support/tls.js';

const withErlang = erlangAvailable() ? test.serial : test.serial.skip;
const authority = new Authority();
test.after.always(() => authority.remove());

const see = expose.fn(({ metadata }: CallContext) => Object.fromEntries(metadata), {
  context: true,
});
const modules: Modules = { echo: { echo: see } };

type Seen = Record<string, string>;

async function answerTo(server: Server, parts: RequestParts): Promise<unknown> {
  const request = signedRequest(secret, parts);
  const { answers } = await exchangeRaw(server.port, requestBytes(request), 1);
  const { status, headers, body } = answers[0]!;
  try {
    return decodeResponse(
      { secret, requestId: request.requestId },
      { status, headers: [...headers], body },
    );
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error;
    return [status, error.reason ?? ''];
  }
}

const meta = (entries: Seen): RequestParts => ({
  headers: Object.fromEntries(
    Object.entries(entries).map(([name, value]) => [`x-backwater-meta-${name}`, value]),
  ),
});

test("a call's metadata is merged with its client's and takes precedence", async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server, { metadata: { tenant: 'acme', region: 'eu' } });
  t.deepEqual(await client.call('echo', 'echo'), { tenant: 'acme', region: 'eu' });
  const options = { metadata: { region: 'us', user: 'ann' } };
  const all = { tenant: 'acme', region: 'us', user: 'ann' };
  t.deepEqual(await client.call('echo', 'echo', [], options), all);
  t.deepEqual(await client.call('echo', 'echo', [], { metadata: {} }), {
    tenant: 'acme',
    region: 'eu',
  });
  const module = client.module<{ echo(): Seen }>('echo', options);
  t.deepEqual(await module.echo(), all);
  t.deepEqual(await connect(t, server).call('echo', 'echo'), {});
});

test('one-shot calls keep their metadata separate', async (t) => {
  const server = await serve(t, modules);
  const target = { url: server.url, secret };
  const first = { ...target, metadata: new Map([['tenant', 'acme']]) };
  const second = { ...target, metadata: { tenant: 'other', user: 'ann' } };
  t.deepEqual(await call(first, 'echo', 'echo'), { tenant: 'acme' });
  t.deepEqual(await call(second, 'echo', 'echo'), { tenant: 'other', user: 'ann' });
  const metadata = { user: 'bob' };
  t.deepEqual(await call(second, 'echo', 'echo', [], { metadata }), {
    tenant: 'other',
    user: 'bob',
  });
  t.deepEqual(await call(target, 'echo', 'echo'), {});
});

test('every text arrives unchanged and injects nothing', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server);
  for (const value of [
    '',
    ' ',
    '  padded\t',
    '%',
    '%41',
    '100 %',
    'a\r\nx-backwater-meta-admin: 1',
    '\0',
    '\x7f\x80\xff',
    'é, 🐘, \u{10ffff}',
    'a=1;b="2",c',
    '__proto__',
  ]) {
    const metadata = { value };
    t.deepEqual(await client.call('echo', 'echo', [], { metadata }), { value }, value);
  }
  const names = ["!#$%&'*+-.^_`|~", 'a', '0', 'constructor', 'x-request-id', 'authorization'];
  const metadata = Object.fromEntries(names.map((name) => [name, name]));
  t.deepEqual(await client.call('echo', 'echo', [], { metadata }), metadata);
});

test('a function can forward the metadata it received', async (t) => {
  const inner = await serve(t, modules);
  const client = connect(t, inner);
  const forward = expose.fn(
    ({ metadata }: CallContext) => client.call('echo', 'echo', [], { metadata }),
    { context: true },
  );
  const outer = await serve(t, { outer: { forward } });
  const metadata = { tenant: 'acme', name: 'é' };
  t.deepEqual(await connect(t, outer).call('outer', 'forward', [], { metadata }), metadata);
  const map: unknown = runInContext("new Map([['tenant', 'other realm']])", createContext());
  const foreign = { metadata: map as MetadataInput };
  t.deepEqual(await client.call('echo', 'echo', [], foreign), { tenant: 'other realm' });
});

test('later changes to the object have no effect', async (t) => {
  const metadata: Seen = { tenant: 'acme' };
  const client = connect(t, await serve(t, modules), { metadata });
  metadata['tenant'] = 'other';
  t.deepEqual(await client.call('echo', 'echo'), { tenant: 'acme' });
});

test('invalid metadata is an OptionError', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server, { metadata: { tenant: 'acme' } });
  const wrong: [unknown, RegExp][] = [
    ['tenant=acme', /takes an object or a Map/],
    [['tenant'], /takes an object or a Map/],
    [new Headers({ tenant: 'acme' }), /takes an object or a Map/],
    [{ tenant: 1 }, /takes strings; 'tenant' is 1/],
    [{ tenant: undefined }, /takes strings; 'tenant' is undefined/],
    [{ tenant: Buffer.from('acme') }, /takes strings; 'tenant'/],
    [{ tenant: '\ud800' }, /lone surrogates, but the value of 'tenant' has one/],
    [new Map([[1, 'x']]), /malformed name, 1/],
    ...['', 'Tenant', 'a b', 'a:b', 'a\nb', 'é', 'a,b', '"a"'].map((name): [unknown, RegExp] => [
      { [name]: 'x' },
      /malformed name/,
    ]),
    ...['traceparent', 'tracestate', 'baggage', 'backwater-x', 'x-backwater-meta-a'].map(
      (name): [unknown, RegExp] => [{ [name]: 'x' }, new RegExp(`reserved name, '${name}'`)],
    ),
  ];
  for (const [metadata, words] of wrong) {
    const given = { metadata: metadata as MetadataInput };
    const error = await t.throwsAsync(client.call('echo', 'echo', [], given), {
      instanceOf: OptionError,
    });
    t.is(error.option, 'metadata');
    t.regex(error.message, words);
    t.regex(error.message, /^option 'metadata' /);
    t.throws(() => connect(t, server, given), { instanceOf: OptionError, message: words });
  }
});

function entries(count: number, name: number, value: number): Seen {
  const names = Array.from({ length: count }, (_, index) => String(index).padStart(name, '0'));
  return Object.fromEntries(names.map((each) => [each, 'x'.repeat(value)]));
}

// The third one has the most bytes of metadata that a head may have.
const ALLOWED = [entries(64, 2, 0), entries(1, 2048, 0), entries(64, 32, 96), entries(1, 1, 8191)];
const TOO_LARGE = [
  entries(65, 2, 0),
  entries(1, 2049, 0),
  entries(64, 32, 97),
  entries(1, 1, 8192),
];

test('both sides have the same limits', async (t) => {
  const clear = await serve(t, modules);
  const tls = { ca: authority.cert };
  const secure = await serveTls(t, modules, { tls: authority.server() });
  for (const client of [connect(t, clear), connect(t, secure, { tls })]) {
    for (const metadata of ALLOWED) {
      t.deepEqual(await client.call('echo', 'echo', [], { metadata }), metadata);
    }
    for (const metadata of TOO_LARGE) {
      const error = await t.throwsAsync(client.call('echo', 'echo', [], { metadata }), {
        instanceOf: OptionError,
        message: /more than (?:64|2048|8192)/,
      });
      t.is(error.option, 'metadata');
    }
    const spaces = { a: ' '.repeat(2730) };
    t.deepEqual(await client.call('echo', 'echo', [], { metadata: spaces }), spaces);
    const more = { metadata: { a: ' '.repeat(2731) } };
    await t.throwsAsync(client.call('echo', 'echo', [], more), { message: /8194 bytes/ });
  }
  for (const metadata of ALLOWED) t.deepEqual(await answerTo(clear, meta(metadata)), metadata);
  for (const metadata of TOO_LARGE) {
    t.deepEqual(await answerTo(clear, meta(metadata)), [431, 'metadata_too_large']);
  }
});

test('the largest metadata fits into a head with all other headers', async (t) => {
  const options = { replayProtection: 'require', audience: 'a'.repeat(255) } as const;
  const server = await serve(t, modules, options);
  const metadata = entries(64, 32, 96);
  const client = connect(t, server, {
    metadata,
    replayProtection: true,
    audience: options.audience,
    timeout: 60_000,
    compressionThreshold: 0,
  });
  t.deepEqual(await client.call('echo', 'echo'), metadata);
  const trace = {
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    tracestate: 's'.repeat(512),
    'x-backwater-created': String(Date.now()),
    'x-backwater-audience': options.audience,
  };
  const parts = { headers: { ...meta(metadata).headers, ...trace } };
  t.deepEqual(await answerTo(server, parts), metadata);
});

test('unsigned metadata is ignored', async (t) => {
  const server = await serve(t, modules);
  const usual = ['accept', 'content-length', 'content-type', 'digest', 'x-request-id'];
  const parts = { ...meta({ tenant: 'acme', admin: '1' }), signed: [...usual] };
  t.deepEqual(await answerTo(server, parts), {});
  parts.signed.push('X-Backwater-Meta-Tenant'.toLowerCase());
  t.deepEqual(await answerTo(server, parts), { tenant: 'acme' });
  const malformed = {
    ...meta({ tenant: '%', traceparent: 'x', ...entries(70, 3, 1) }),
    signed: usual,
  };
  t.deepEqual(await answerTo(server, malformed), {});
  const request = signedRequest(secret, meta({ tenant: 'acme' }));
  const forged = {
    ...request,
    headers: [...request.headers, ['x-backwater-meta-tenant', 'x'] as const],
  };
  const { answers } = await exchangeRaw(server.port, requestBytes(forged), 1);
  t.is(answers[0]!.status, 401);
  t.is(answers[0]!.body.toString(), 'invalid_signature');
});

test('malformed metadata is refused with a signed answer', async (t) => {
  const server = await serve(t, modules);
  for (const value of ['%', '%4', '%zz', '%ff', '%c0%80', '%ed%a0%80', 'a b', 'é', 'a\tb']) {
    const answer = await answerTo(server, meta({ tenant: value }));
    t.deepEqual(answer, [400, 'invalid_metadata'], value);
  }
  for (const name of ['traceparent', 'baggage', 'backwater-x', 'x-backwater-caller']) {
    t.deepEqual(await answerTo(server, meta({ [name]: 'x' })), [400, 'invalid_metadata'], name);
  }
  const twice = signedRequest(secret, meta({ tenant: 'a, b' }));
  const headers = twice.headers.flatMap(([name, value]) =>
    name === 'x-backwater-meta-tenant'
      ? value.split(', ').map((each) => [name, each] as const)
      : [[name, value] as const],
  );
  const { answers } = await exchangeRaw(server.port, requestBytes({ ...twice, headers }), 1);
  t.is(answers[0]!.status, 400);
  t.is(answers[0]!.body.toString(), 'invalid_metadata');
});

test('other HTTP clients can send metadata', async (t) => {
  const server = await serve(t, modules);
  const target = { url: server.url, secret, metadata: { tenant: 'acme', user: 'ann' } };
  const options = { metadata: { user: 'Bjørn' } };
  const { url, method, headers, body, requestId } = encodeRequest(
    target,
    'echo',
    'echo',
    [],
    options,
  );
  t.is(headers['x-backwater-meta-user'], 'Bj%C3%B8rn');
  const response = await fetch(url, { method, headers, body });
  const seen = decodeResponse<Seen>(
    { secret, requestId },
    { status: response.status, headers: response.headers, body: await response.arrayBuffer() },
  );
  t.deepEqual(seen, { tenant: 'acme', user: 'Bjørn' });
});

for (const kind of ['clear', 'TLS'] as const) {
  const tls = kind === 'TLS' ? { ca: authority.cert } : undefined;
  const certificate = authority.server();

  withErlang(`Erlang's server ignores metadata, ${kind}`, async (t) => {
    const files = tls ? { certfile: certificate.cert, keyfile: certificate.key } : {};
    const server = await startErlangServer({ secret, ...files });
    t.teardown(() => server.close());
    const client = connect(t, server, { metadata: { tenant: 'é' }, ...(tls && { tls }) });
    t.is(await client.call('peer', 'echo', [1]), 1);
    // Cowboy's default limit: values of 4,096 bytes.
    const metadata = { a: 'x'.repeat(4096), ...entries(40, 40, 20) };
    t.is(await client.call('peer', 'echo', [1], { metadata }), 1);
  });

  withErlang(`Erlang's client sends no metadata, or signs its own, ${kind}`, async (t) => {
    const server = await (tls ? serveTls(t, modules, { tls: certificate }) : serve(t, modules));
    const client = startErlangClient({ secret });
    t.teardown(() => client.close());
    const url = server.url.replace('127.0.0.1', 'localhost');
    const ssl = tls && { ssl: `[{verify, verify_peer}, {cacertfile, "${tls.ca}"}]` };
    t.like(await client.call(url, 'echo', 'echo', '[]', ssl), { ok: '#{}' });
    const headers = { 'x-backwater-meta-tenant': 'acme' };
    const result = await client.call(url, 'echo', 'echo', '[]', { ...ssl, headers });
    t.like(result, { ok: '#{<<"tenant">> => <<"acme">>}' });
    const unsigned = { ...ssl, headers, unsigned: Object.keys(headers) };
    t.like(await client.call(url, 'echo', 'echo', '[]', unsigned), { ok: '#{}' });
  });
}

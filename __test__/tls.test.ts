import { X509Certificate } from 'node:crypto';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { createConnection } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import {
  call,
  type CallContext,
  type CallPeer,
  Client,
  ClosedError,
  ConnectError,
  ConnectionLostError,
  expose,
  OptionError,
  ResponseAuthenticationError,
  startClearServer,
  startTlsServer,
  TimeoutError,
  TlsError,
  type TlsClientOptions,
  type TlsErrorReason,
} from '../src/index.js';
import { Authority, type Certificate, text } from './support/certificates.js';
import { nobody } from './support/fleet.js';
import { connect, PATIENT, secret, serve, tcpServer } from './support/rpc.js';
import { eventually } from './support/stalling.js';
import { serveTls, tlsProxy } from './support/tls.js';

const modules = { m: { echo: (value: unknown) => value } };

const authority = new Authority();
const other = new Authority('/O=Tests/CN=Somebody else');
const good = authority.server();
const alice = authority.issue({ subject: '/O=Tests/CN=alice' });
const ca = authority.cert;
test.after.always(() => {
  authority.remove();
  other.remove();
});

async function failure(
  t: ExecutionContext,
  url: string,
  tls?: TlsClientOptions,
): Promise<TlsError> {
  const client = connect(t, { url }, { tls });
  const error = await t.throwsAsync(client.call('m', 'echo', [1]));
  if (!(error instanceof TlsError)) throw error!;
  t.is(error.code, 'ERR_BACKWATER_TLS');
  t.is(error.phase, 'tls');
  return error;
}

async function dial(
  t: ExecutionContext,
  port: number,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', ca: readFileSync(ca), ...options });
  t.teardown(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

const bytes = (path: string): Buffer => readFileSync(path);

for (const [what, tls] of Object.entries({
  paths: { cert: good.cert, key: good.key, ca },
  text: { cert: text(good.cert), key: text(good.key), ca: text(ca) },
  bytes: { cert: bytes(good.cert), key: new Uint8Array(bytes(good.key)), ca: bytes(ca) },
  'file URLs': {
    cert: pathToFileURL(good.cert),
    key: pathToFileURL(good.key),
    ca: pathToFileURL(ca),
  },
  lists: { cert: [good.cert], key: good.key, ca: [other.cert, bytes(ca)] },
})) {
  test(`calls work over TLS with certificates as ${what}`, async (t) => {
    const server = await serveTls(t, modules, { tls: { cert: tls.cert, key: tls.key } });
    t.regex(server.url, /^https:\/\/127\.0\.0\.1:\d+$/);
    const client = connect(t, server, { tls: { ca: tls.ca } });
    t.is(await client.call('m', 'echo', ['hello']), 'hello');
    const large = 'x'.repeat(1_000_000);
    t.is(await client.call('m', 'echo', [large]), large);
    const many = Array.from({ length: 200 }, (_, index) => client.call('m', 'echo', [index]));
    t.deepEqual(await Promise.all(many), [...many.keys()]);
  });
}

test('keys of all algorithms and formats are accepted', async (t) => {
  const rsa = authority.server({ algorithm: ['rsa:2048'] });
  const kinds: Certificate[] = [
    rsa,
    authority.server({ algorithm: ['ed25519'] }),
    authority.server({ algorithm: ['ec', '-pkeyopt', 'ec_paramgen_curve:P-384'] }),
    { cert: rsa.cert, key: authority.convertKey(rsa.key, 'rsa', '-traditional') },
    { cert: good.cert, key: authority.convertKey(good.key, 'ec') },
    // Like files of Windows editors.
    { cert: `\ufeff${text(good.cert)}`, key: text(good.key).replaceAll('\n', '\r\n') },
  ];
  for (const tls of kinds) {
    const server = await serveTls(t, modules, { tls });
    t.is(await connect(t, server, { tls: { ca } }).call('m', 'echo', [1]), 1);
  }
});

test('a connection stays open when servers send unsolicited tickets', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  const client = connect(t, server, { tls: { ca } });
  for (let index = 0; index < 50; index++) {
    t.is(await client.call('m', 'echo', [index]), index);
    t.is(server.stats().connections, 1);
  }
});

const reasons: Readonly<
  Record<string, [Partial<Parameters<Authority['server']>[0]> & object, TlsErrorReason, RegExp]>
> = {
  'that has expired': [
    { days: [-20, -10] },
    'certificate_expired',
    /certificate expired: .*renew it/,
  ],
  'that is not valid yet': [
    { days: [10, 20] },
    'certificate_not_yet_valid',
    /not valid yet: .*clocks/,
  ],
  'for other hosts': [
    { names: 'DNS:one.example,DNS:*.two.example,IP:10.0.0.1' },
    'wrong_host',
    /not valid for name "127\.0\.0\.1".*one\.example.*\*\.two\.example.*10\.0\.0\.1.*tls\.servername/,
  ],
  'that names its host only in the subject': [
    { subject: '/CN=127.0.0.1', names: '' },
    'wrong_host',
    /not valid for any names.*subjectAltName/,
  ],
  'for clients only': [
    { extensions: 'extendedKeyUsage=clientAuth' },
    'invalid_certificate',
    /key usage for server authentication/,
  ],
};

for (const [what, [{ names, ...request }, reason, message]] of Object.entries(reasons)) {
  test(`a client refuses a server's certificate ${what}`, async (t) => {
    const issued = names === '' ? { ...request } : { ...request, ...(names ? { names } : {}) };
    const tls =
      names === '' ? authority.issue({ subject: '/CN=127.0.0.1' }) : authority.server(issued);
    const server = await serveTls(t, modules, { tls });
    const error = await failure(t, server.url, { ca });
    t.is(error.reason, reason);
    t.regex(error.message, message);
    t.is(error.port, server.port);
    const blind = connect(t, server, { tls: { dangerouslyAcceptAnyCertificate: true } });
    t.is(await blind.call('m', 'echo', [1]), 1);
  });
}

test('a certificate from an untrusted issuer is refused', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  for (const tls of [{ ca: other.cert }, {}, undefined]) {
    const error = await failure(t, server.url, tls);
    t.is(error.reason, 'unknown_issuer');
    t.regex(error.message, /'tls\.ca' to its issuer/);
  }
});

test('a self-signed certificate is trusted as its own ca, for its names and validity period', async (t) => {
  const tls = authority.selfSigned();
  const server = await serveTls(t, modules, { tls });
  t.is(await connect(t, server, { tls: { ca: tls.cert } }).call('m', 'echo', [1]), 1);
  const error = await failure(t, server.url, { ca });
  t.is(error.reason, 'unknown_issuer');
  t.regex(error.message, /self-signed.*'tls\.ca'/);
  const named = await failure(t, server.url, { ca: tls.cert, servername: 'example.com' });
  t.is(named.reason, 'wrong_host');
  const expired = other.server({ days: [-20, -10] });
  const late = await serveTls(t, modules, { tls: expired });
  t.is((await failure(t, late.url, { ca: expired.cert })).reason, 'certificate_expired');
});

test('reports an untrusted server even if another one is down', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  const gone = await nobody(t);
  for (let count = 0; count < 8; count++) {
    const client = connect(t, server, {
      url: [server.url, `https://127.0.0.1:${gone.port}`],
      tls: { ca: other.cert },
    });
    const error = await t.throwsAsync(client.call('m', 'echo', [1]), { instanceOf: TlsError });
    t.is(error.reason, 'unknown_issuer');
  }
});

test('a slow server has the whole connectTimeout when all others are down', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  // Longer than the first attempt waits for one of several servers.
  const slow = await tcpServer(t, (socket) => {
    const upstream = createConnection(server.port, '127.0.0.1');
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    setTimeout(() => socket.pipe(upstream).pipe(socket), 1500);
  });
  const gone = await nobody(t);
  const url = [slow, gone].map((one) => one.url.replace('http:', 'https:'));
  const calls = Array.from({ length: 8 }, async (_, index) => {
    const client = connect(t, slow, { url: url as never, tls: { ca }, maxConnections: 1 + index });
    t.is(await client.call('m', 'echo', [index]), index);
  });
  await Promise.all(calls);
});

test('dangerouslyAcceptAnyCertificate accepts even an X.509 version 1 certificate', async (t) => {
  for (const algorithm of [undefined, ['rsa:2048']]) {
    const tls = authority.issueVersion1('/CN=localhost', algorithm);
    const server = await serveTls(t, modules, { tls });
    const client = connect(t, server, { tls: { dangerouslyAcceptAnyCertificate: true } });
    t.is(await client.call('m', 'echo', [1]), 1);
    t.is((await failure(t, server.url, { ca })).reason, 'invalid_certificate');
  }
  const clear = await serve(t, modules);
  const proxy = await tlsProxy(t, clear, {
    cert: bytes(good.cert),
    key: bytes(good.key),
    maxVersion: 'TLSv1.2',
  });
  const client = connect(t, proxy, { tls: { dangerouslyAcceptAnyCertificate: true } });
  t.is(await client.call('m', 'echo', [1]), 1);
});

test('servername is sent to the server and must match its certificate', async (t) => {
  const tls = authority.server({ names: 'DNS:rpc.example' });
  const clear = await serve(t, modules);
  const told: unknown[] = [];
  const proxy = await tlsProxy(
    t,
    clear,
    { cert: bytes(tls.cert), key: bytes(tls.key) },
    (socket) => {
      told.push((socket as TLSSocket & { servername: unknown }).servername);
    },
  );
  const client = connect(t, proxy, { tls: { ca, servername: 'rpc.example' } });
  t.is(await client.call('m', 'echo', [1]), 1);
  t.deepEqual(told, ['rpc.example']);
  t.is((await failure(t, proxy.url, { ca })).reason, 'wrong_host');
});

test('the name in the URL is checked, not its address', async (t) => {
  const tls = authority.server({ names: 'DNS:localhost' });
  const server = await serveTls(t, modules, { tls });
  const url = `https://localhost:${server.port}`;
  t.is(await connect(t, { url }, { tls: { ca } }).call('m', 'echo', [1]), 1);
  t.is((await failure(t, server.url, { ca })).reason, 'wrong_host');
});

test('a peer that does not speak TLS is reported', async (t) => {
  const clear = await serve(t, modules);
  const error = await failure(t, `https://127.0.0.1:${clear.port}`, { ca });
  t.is(error.reason, 'not_tls');
  t.regex(error.message, /http:\/\//);
  const closing = await tcpServer(t, (socket) => socket.end());
  const closed = await failure(t, closing.url.replace('http', 'https'), { ca });
  t.is(closed.reason, 'handshake_failed');
});

test('a client that speaks plain HTTP gets an explanation', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  const client = connect(t, { url: `http://127.0.0.1:${server.port}` });
  const error = await t.throwsAsync(client.call('m', 'echo', [1]), {
    instanceOf: ResponseAuthenticationError,
  });
  t.deepEqual(error.unverified, { status: 400, body: 'this port speaks TLS: use https\n' });
});

test('only a request that was not sent completely is retried', async (t) => {
  let calls = 0;
  let cut = (): void => {};
  const clear = await serve(t, {
    m: {
      size: (text: string) => text.length,
      vanish() {
        calls++;
        cut();
      },
    },
  });
  const tls = { cert: bytes(good.cert), key: bytes(good.key) };
  const proxy = await tlsProxy(t, clear, tls, (socket) => {
    if (proxy.sockets.length > 1) return;
    let answers = 0;
    const write = socket.write.bind(socket) as (chunk: unknown) => boolean;
    socket.write = (chunk: unknown) => (answers++, write(chunk));
    socket.prependListener('data', () => {
      if (answers > 0) socket.destroy();
    });
  });
  const client = connect(t, proxy, { tls: { ca }, compressionThreshold: Infinity });
  t.is(await client.call('m', 'size', ['x']), 1);
  t.is(await client.call('m', 'size', ['x'.repeat(8_000_000)]), 8_000_000);
  t.is(proxy.sockets.length, 2);
  cut = () => proxy.sockets.forEach((socket) => socket.destroy());
  await t.throwsAsync(client.call('m', 'vanish'), { instanceOf: ConnectionLostError });
  t.is(calls, 1);
});

test('clientCa requires client certificates, and functions see their subject', async (t) => {
  const whoami = expose.fn(({ peer }: CallContext) => peer.certificateSubject ?? 'nobody', {
    context: true,
  });
  const server = await serveTls(
    t,
    { m: { whoami, ...modules.m } },
    { tls: { ...good, clientCa: ca } },
  );
  const client = connect(t, server, { tls: { ca, ...alice } });
  t.is(await client.call('m', 'whoami'), 'CN=alice,O=Tests');

  const without = await failure(t, server.url, { ca });
  t.is(without.reason, 'client_certificate_refused');
  t.regex(without.message, /requires a client certificate.*'tls\.cert' and 'tls\.key'/);
  for (const refused of [
    other.issue({ subject: '/CN=mallory' }),
    authority.issue({ subject: '/CN=alice', days: [-20, -10] }),
    authority.issue({ subject: '/CN=alice', extensions: 'extendedKeyUsage=serverAuth' }),
    other.selfSigned('/CN=alice'),
  ]) {
    const error = await failure(t, server.url, { ca, ...refused });
    t.is(error.reason, 'client_certificate_refused');
    t.regex(error.message, /refused the certificate of this client/);
  }
  t.is(await client.call('m', 'echo', [1]), 1);

  const open = await serveTls(t, { m: { whoami } }, { tls: good });
  t.is(await connect(t, open, { tls: { ca, ...alice } }).call('m', 'whoami'), 'nobody');
});

test('with clientCa, health checks need no client certificate, but calls do', async (t) => {
  const health = '/healthz';
  const options = { health, tls: { ...good, clientCa: ca } };
  const server = await serveTls(t, modules, options);
  const get = async (path: string, more: object = {}): Promise<[number, string, string]> => {
    const { port } = server;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const trusted = readFileSync(ca);
      const asked = request({ host: '127.0.0.1', port, path, ca: trusted, agent: false, ...more });
      asked.on('response', resolve).on('error', reject).end();
    });
    let body = '';
    for await (const chunk of response) body += String(chunk);
    return [response.statusCode!, body, String(response.headers['connection'])];
  };
  t.deepEqual(await get(health), [200, 'ok\n', 'close']);
  for (const path of ['/', '/backwater/1/m/echo/1', `${health}/`, `${health}x`, '//healthz']) {
    t.deepEqual(await get(path), [403, 'client_certificate_required', 'close'], path);
    t.deepEqual(await get(path, { method: 'POST' }), [403, 'client_certificate_required', 'close']);
  }
  // Even with the right secret, since the signature is not checked.
  const client = connect(t, server, { tls: { ca } });
  const error = await t.throwsAsync(client.call('m', 'echo', [1]), {
    instanceOf: ResponseAuthenticationError,
  });
  t.is(error!.unverified!.status, 403);
  t.regex(
    error!.message,
    /^most likely, the server requires a client certificate \(options tls\.cert and tls\.key\)/,
  );
  t.is(server.stats().calls, 0);
  t.is(await connect(t, server, { tls: { ca, ...alice } }).call('m', 'echo', [1]), 1);
  // An untrusted certificate is still refused, even for the health check.
  const mallory = other.issue({ subject: '/CN=mallory' });
  t.is((await failure(t, server.url, { ca, ...mallory })).reason, 'client_certificate_refused');
  const own = { cert: readFileSync(mallory.cert), key: readFileSync(mallory.key) };
  await t.throwsAsync(get(health, own));
});

test('without health, the handshake requires a client certificate', async (t) => {
  const server = await serveTls(t, modules, { tls: { ...good, clientCa: ca } });
  t.is((await failure(t, server.url, { ca })).reason, 'client_certificate_refused');
});

test('resuming a session without a certificate does not authenticate the client', async (t) => {
  const server = await serveTls(t, modules, { health: '/h', tls: { ...good, clientCa: ca } });
  const ask = (session?: Buffer): Promise<{ status: string; session: Buffer; reused: boolean }> =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: server.port, ca: readFileSync(ca) };
      const socket = connectTls({ ...options, ...(session === undefined ? {} : { session }) });
      let kept: Buffer | undefined;
      let text = '';
      socket.on('session', (ticket: Buffer) => (kept = ticket));
      socket.on('data', (data) => (text += String(data)));
      socket.on('error', reject);
      socket.on('end', () => {
        const [, status] = text.split(' ');
        resolve({ status: status!, session: kept!, reused: socket.isSessionReused() });
      });
      socket.write('POST /backwater/1/m/echo/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n');
    });
  const first = await ask();
  t.is(first.status, '403');
  const second = await ask(first.session);
  t.is(second.status, '403');
});

test('every running call reports a refused certificate', async (t) => {
  const server = await serveTls(t, modules, { tls: { ...good, clientCa: ca } });
  const client = connect(t, server, { tls: { ca } });
  const calls = Array.from({ length: 50 }, () => client.tryCall('m', 'echo', ['x'.repeat(10_000)]));
  for (const result of await Promise.all(calls)) {
    t.true(!result.ok && result.error instanceof TlsError, String(result.ok || result.error));
  }
});

test('a self-signed client certificate is accepted if it is in clientCa', async (t) => {
  const bob = other.selfSigned('/CN=bob');
  const server = await serveTls(t, modules, { tls: { ...good, clientCa: [ca, bob.cert] } });
  for (const shown of [alice, bob]) {
    t.is(await connect(t, server, { tls: { ca, ...shown } }).call('m', 'echo', [1]), 1);
  }
});

test('client certificates of X.509 version 1 are refused', async (t) => {
  const server = await serveTls(t, modules, { tls: { ...good, clientCa: ca } });
  const plain = authority.issueVersion1('/O=Tests/CN=plain');
  const error = await failure(t, server.url, { ca, ...plain });
  t.is(error.reason, 'client_certificate_refused');
});

test('functions see the whole certificate, with an unambiguous subject', async (t) => {
  const seen: CallPeer[] = [];
  const look = expose.fn(({ peer }: CallContext) => seen.push(peer) && peer.certificateSubject, {
    context: true,
  });
  const server = await serveTls(t, { m: { look } }, { tls: { ...good, clientCa: ca } });
  const mallory = authority.issue({ subject: '/O=Tests/CN=bob,O=Tests' });
  const client = connect(t, server, { tls: { ca, ...mallory } });
  t.is(await client.call('m', 'look'), 'CN=bob\\,O=Tests,O=Tests');
  const { certificate } = seen[0]!;
  t.is(
    certificate!.raw.toString('base64'),
    new X509Certificate(text(mallory.cert)).raw.toString('base64'),
  );
  t.is(seen[0]!.certificate, certificate);
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`a client calls a server that speaks only ${version} and requests a certificate`, async (t) => {
    const clear = await serve(t, modules);
    const proxy = await tlsProxy(t, clear, {
      cert: bytes(good.cert),
      key: bytes(good.key),
      ca: bytes(ca),
      requestCert: true,
      minVersion: version,
      maxVersion: version,
    });
    t.is(await connect(t, proxy, { tls: { ca, ...alice } }).call('m', 'echo', [1]), 1);
    t.is(proxy.sockets[0]?.getProtocol(), version);
    // Node's servers do not say why they close the connection, so the cause is uncertain.
    const without = connect(t, proxy, { tls: { ca } });
    const error = await t.throwsAsync(without.call('m', 'echo', [1]), { instanceOf: ConnectError });
    t.regex(error.message, /a client certificate/);
  });

  test(`a server accepts a client that speaks only ${version}`, async (t) => {
    const server = await serveTls(t, modules, { tls: good, health: '/healthz' });
    const socket = await dial(t, server.port, {
      minVersion: version,
      maxVersion: version,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    t.is(socket.getProtocol(), version);
    t.is(socket.alpnProtocol, 'http/1.1');
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    const answer = Buffer.concat((await socket.toArray()) as Buffer[]).toString();
    t.regex(answer, /^HTTP\/1\.1 200 /);
  });
}

test('older TLS versions and other protocols are refused', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' } as const;
  await t.throwsAsync(dial(t, server.port, old));
  await t.throwsAsync(dial(t, server.port, { ALPNProtocols: ['h2'] }));
  t.is(await connect(t, server, { tls: { ca } }).call('m', 'echo', [1]), 1);
});

test('a client resumes sessions', async (t) => {
  const clear = await serve(t, modules);
  const resumed: boolean[] = [];
  const tls = { cert: bytes(good.cert), key: bytes(good.key) };
  const proxy = await tlsProxy(t, clear, tls, (socket) => resumed.push(socket.isSessionReused()));
  const client = connect(t, proxy, { tls: { ca } });
  t.is(await client.call('m', 'echo', [1]), 1);
  const [first] = proxy.sockets;
  await once(first!.destroy(), 'close');
  t.is(await client.call('m', 'echo', [2]), 2);
  t.deepEqual(resumed, [false, true]);
});

test('a connection that was closed after an answer is detected before reuse', async (t) => {
  const clear = await serve(t, modules);
  const tls = { cert: bytes(good.cert), key: bytes(good.key) };
  for (const [how, close] of Object.entries({
    'without close_notify, as of processes that are killed': (socket: TLSSocket) =>
      socket.destroy(),
    'with close_notify': (socket: TLSSocket) => socket.end(),
  })) {
    const proxy = await tlsProxy(t, clear, tls, (socket) => {
      const write = socket.write.bind(socket) as (chunk: unknown, done?: () => void) => boolean;
      socket.write = (chunk: unknown) => write(chunk, () => close(socket));
    });
    const client = connect(t, proxy, { tls: { ca } });
    for (let index = 0; index < 20; index++) {
      t.is(await client.call('m', 'echo', [index]), index, how);
      const socket = proxy.sockets.at(-1)!;
      if (!socket.writableFinished && !socket.destroyed) await once(socket, 'close');
    }
    t.true(proxy.sockets.length >= 20, how);
  }
});

test('setCertificate affects new connections, keeps running calls, and changes nothing if it fails', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  const shown = async (): Promise<string> =>
    (await dial(t, server.port, { session: undefined })).getPeerCertificate().subject.CN as string;
  t.is(await shown(), 'localhost');
  const client = connect(t, server, { tls: { ca }, maxConnections: 8, idleTimeout: 5 });
  let stopped = false;
  const load = Array.from({ length: 16 }, async () => {
    let calls = 0;
    while (!stopped) {
      await client.call('m', 'echo', [calls]);
      if (++calls % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return calls;
  });
  for (let turn = 0; turn < 10; turn++) {
    await server.setCertificate(authority.server({ subject: `/CN=turn ${turn}` }));
    t.is(await shown(), `turn ${turn}`);
  }
  for (const bad of [
    { cert: good.cert, key: alice.key },
    { cert: good.cert, key: '/no/such/file' },
    { cert: good.cert } as Certificate,
  ]) {
    const error = await t.throwsAsync(server.setCertificate(bad), { instanceOf: OptionError });
    t.is(error.option, 'key');
  }
  t.is(await shown(), 'turn 9');
  stopped = true;
  t.true((await Promise.all(load)).every((calls) => calls > 0));
  await server.close();
  await t.throwsAsync(server.setCertificate(good), { instanceOf: ClosedError });
});

test('setCertificate prevents session resumption, so that returning clients see the new certificate', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await server.setCertificate(good);
    const before = await dial(t, server.port, { maxVersion });
    const kept = once(before, 'session') as Promise<[Buffer]>;
    const [session] = maxVersion === 'TLSv1.2' ? [before.getSession()!] : await kept;
    t.true((await dial(t, server.port, { maxVersion, session })).isSessionReused(), maxVersion);
    await server.setCertificate(authority.server({ subject: '/CN=later' }));
    const after = await dial(t, server.port, { maxVersion, session });
    t.false(after.isSessionReused(), maxVersion);
    t.is(after.getPeerCertificate().subject.CN, 'later');
  }
});

test('a stalled handshake is reset and delays no other client', async (t) => {
  const server = await serveTls(t, modules, { tls: good, recvTimeout: 500 });
  const silent = createConnection(server.port, '127.0.0.1');
  const half = createConnection(server.port, '127.0.0.1');
  half.write(Buffer.from([0x16, 3, 1, 1, 0, 1]));
  const ended = [silent, half].map(async (socket) => {
    socket.on('error', () => {});
    socket.resume();
    await once(socket, 'close');
  });
  const client = connect(t, server, { tls: { ca } });
  await eventually('a call goes through', async () => {
    const result = await client.tryCall('m', 'echo', [1]);
    return result.ok && result.value === 1;
  });
  await Promise.all(ended);
  const garbage = createConnection(server.port, '127.0.0.1');
  garbage.write('garbage\r\n\r\n');
  t.true(((await garbage.toArray()) as Buffer[]).length <= 1, 'an alert at most');
});

test('connectTimeout and signals end a call to a server that stalls in the handshake', async (t) => {
  const silent = await tcpServer(t, (socket) => socket.resume());
  const url = silent.url.replace('http', 'https');
  const client = connect(t, { url }, { tls: { ca }, connectTimeout: 200 });
  const error = await t.throwsAsync(client.call('m', 'echo', [1]), { instanceOf: TimeoutError });
  t.is(error.phase, 'tls');
  const signal = AbortSignal.timeout(100);
  const patient = connect(t, { url }, { tls: { ca } });
  await t.throwsAsync(patient.call('m', 'echo', [1], { signal }), {
    any: true,
    name: 'TimeoutError',
  });
});

test('one-shot calls with different certificates use different connections', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  const target = { url: server.url, secret, ...PATIENT };
  t.is(await call({ ...target, tls: { ca } }, 'm', 'echo', [1]), 1);
  await t.throwsAsync(call({ ...target, tls: { ca: other.cert } }, 'm', 'echo', [1]), {
    instanceOf: TlsError,
  });
  await t.throwsAsync(call(target, 'm', 'echo', [1]), { instanceOf: TlsError });
  t.is(await call({ ...target, tls: { ca } }, 'm', 'echo', [1]), 1);
});

const run = promisify(execFile);

test('clients trust the certificates in NODE_EXTRA_CA_CERTS', async (t) => {
  const server = await serveTls(t, modules, { tls: good });
  const script = `
    import { call } from ${JSON.stringify(new URL('../src/index.js', import.meta.url))};
    const target = { url: ${JSON.stringify(server.url)}, secret: ${JSON.stringify(secret.toString())} };
    console.log(await call(target, 'm', 'echo', ['trusted']).catch((error) => error.reason));
  `;
  for (const [path, expected] of [
    [ca, 'trusted'],
    [other.cert, 'unknown_issuer'],
    ['/no/such/file', 'unknown_issuer'],
  ] as const) {
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: path };
    const args = ['--input-type=module', '--eval', script];
    const { stdout } = await run(process.execPath, args, { env, timeout: 240_000 });
    t.is(stdout.trim(), expected, path);
  }
});

test('accepting any certificate causes one warning per process', async (t) => {
  const script = `
    import { Client } from ${JSON.stringify(new URL('../src/index.js', import.meta.url))};
    process.on('warning', ({ code }) => code?.startsWith('BACKWATER_ACC') && console.log(code));
    const tls = { dangerouslyAcceptAnyCertificate: true };
    for (let count = 0; count < 3; count++) {
      await new Client({ url: 'https://localhost', secret: 'x'.repeat(32), tls }).close();
    }
  `;
  const args = ['--input-type=module', '--eval', script];
  const { stdout } = await run(process.execPath, args, { timeout: 240_000 });
  t.is(stdout, 'BACKWATER_ACCEPTS_ANY_CERTIFICATE\n');
});

const damaged = text(good.cert).replace('MII', 'M!I');
const encrypted = authority.convertKey(good.key, 'pkcs8', '-topk8', '-passout', 'pass:x');
const clientErrors: readonly [tls: object | null | string, option: string, message: RegExp][] = [
  [null, 'tls', /takes an object/],
  ['ca.pem', 'tls', /takes an object/],
  [{ CA: ca }, 'tls.CA', /did you mean 'ca'/],
  [{ ca: 7 }, 'tls.ca', /'tls\.ca' takes PEM text, PEM bytes or the path/],
  [{ ca: [] }, 'tls.ca', /takes/],
  [{ ca: '' }, 'tls.ca', /takes/],
  [{ ca: '/no/such/file' }, 'tls.ca', /'\/no\/such\/file' cannot be read \(ENOENT\)/],
  [{ ca: good.key }, 'tls.ca', /BEGIN CERTIFICATE.*only a private key/],
  [{ ca: Buffer.from('no PEM') }, 'tls.ca', /at least one/],
  [{ ca: damaged }, 'tls.ca', /not base64/],
  [{ ca: text(ca).replace('-----END', '') }, 'tls.ca', /END/],
  [{ cert: good.cert }, 'tls.key', /must be given with 'tls\.cert'/],
  [{ key: good.key }, 'tls.cert', /must be given with 'tls\.key'/],
  [{ cert: good.cert, key: alice.key }, 'tls.key', /does not belong/],
  [{ cert: good.cert, key: good.cert }, 'tls.key', /only certificates/],
  [{ cert: good.cert, key: encrypted }, 'tls.key', /not encrypted.*openssl pkey/],
  [{ cert: good.cert, key: Buffer.from('x') }, 'tls.key', /BEGIN PRIVATE KEY/],
  [{ servername: 'a b' }, 'tls.servername', /takes/],
  [{ servername: 'a..b' }, 'tls.servername', /host name or an IP address/],
  [{ dangerouslyAcceptAnyCertificate: 1 }, 'tls.dangerouslyAcceptAnyCertificate', /true or false/],
  [
    { ca, dangerouslyAcceptAnyCertificate: true },
    'tls.dangerouslyAcceptAnyCertificate',
    /cannot be true/,
  ],
];

test("errors in a client's tls name the option", (t) => {
  for (const [tls, option, message] of clientErrors) {
    const make = (): Client => new Client({ url: 'https://localhost', secret, tls: tls as never });
    const error = t.throws(make, { instanceOf: OptionError }, JSON.stringify(tls));
    t.is(error.option, option);
    t.regex(error.message, message);
    t.notRegex(error.message, /MII/, 'the message shows no part of a key');
  }
});

test('tls without effect is refused', async (t) => {
  const options = { url: 'http://localhost', secret, tls: { ca } };
  t.is(t.throws(() => new Client(options), { instanceOf: OptionError }).option, 'tls');
  const started = startClearServer(secret, modules, { port: 0, tls: good } as never);
  t.is((await t.throwsAsync(started, { instanceOf: OptionError })).option, 'tls');
});

test("errors in a server's tls name the option", async (t) => {
  const errors: readonly [tls: unknown, option: string][] = [
    [undefined, 'tls'],
    [{}, 'tls.cert'],
    [{ cert: good.cert }, 'tls.key'],
    [{ ...good, clientCA: ca }, 'tls.clientCA'],
    [{ ...good, clientCa: good.key }, 'tls.clientCa'],
    [{ ...good, key: alice.key }, 'tls.key'],
    [{ ...good, cert: good.key }, 'tls.cert'],
    [{ ...good, key: encrypted }, 'tls.key'],
  ];
  for (const [tls, option] of errors) {
    const started = startTlsServer(secret, modules, { port: 0, tls: tls as never });
    const error = await t.throwsAsync(started, { instanceOf: OptionError });
    t.is(error.option, option);
  }
});

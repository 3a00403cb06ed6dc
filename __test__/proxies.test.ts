import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import test, { type ExecutionContext } from 'ava';
import { Client, decodeResponse, encodeRequest, RemoteError } from '../src/index.js';
import { erlangAvailable, startErlangClient, startErlangServer } from './interop/erlang.js';
import { Authority, text } from './support/certificates.js';
import { haproxyAvailable, startHaproxy } from './support/haproxy.js';
import { connect, secret, serve } from './support/rpc.js';

// Proxies do not pass on headers of one hop, such as the `connection: close` of refusals.

const withProxy = haproxyAvailable() ? test.serial : test.serial.skip;
const withBoth = haproxyAvailable() && erlangAvailable() ? test.serial : test.serial.skip;
const authority = new Authority();
const certificate = authority.server();
test.after.always(() => authority.remove());
const tls = { ca: authority.cert };

const limit = 20_000;
const large = randomBytes(2 * limit);
const refusals = [
  { status: 'forbidden', httpStatus: 403, module: 'other', fn: 'echo', args: [1] },
  { status: 'not_found', httpStatus: 404, module: 'peer', fn: 'nothing', args: [1] },
  { status: 'payload_too_large', httpStatus: 413, module: 'peer', fn: 'echo', args: [large] },
] as const;

const servers = {
  Node: async (t: ExecutionContext): Promise<{ url: string }> =>
    serve(t, { peer: { echo: (value: unknown) => value } }, { maxEncodedArgsSize: limit }),
  Erlang: async (t: ExecutionContext): Promise<{ url: string }> => {
    const server = await startErlangServer({ secret, maxEncodedArgsSize: limit });
    t.teardown(() => server.close());
    return server;
  },
};

for (const [name, start] of Object.entries(servers)) {
  const run = name === 'Node' ? withProxy : withBoth;

  for (const front of ['clear', 'tls'] as const) {
    run(`Node calls ${name} behind HAProxy, ${front}: calls and refusals`, async (t) => {
      const proxy = await startHaproxy(t, await start(t), certificate);
      const client = connect(t, { url: proxy[front] }, front === 'tls' ? { tls } : {});
      await callAndBeRefused(t, client);
    });
  }

  run(`Node calls ${name} behind HAProxy, HTTP/2: calls and refusals`, async (t) => {
    const proxy = await startHaproxy(t, await start(t), certificate);
    const session = connectHttp2(proxy.tls, { ca: text(authority.cert) });
    t.teardown(() => session.destroy());
    await once(session, 'connect');
    t.is(session.alpnProtocol, 'h2');
    t.is(await callByHttp2(session, 'peer', 'echo', ['hello']), 'hello');
    for (const { status, httpStatus, module, fn, args } of refusals) {
      const error = await t.throwsAsync(callByHttp2(session, module, fn, args), {
        instanceOf: RemoteError,
      });
      t.like(error, { status, httpStatus });
    }
  });
}

async function callAndBeRefused(t: ExecutionContext, client: Client): Promise<void> {
  t.is(await client.call('peer', 'echo', ['hello']), 'hello');
  for (const { status, httpStatus, module, fn, args } of refusals) {
    const error = await t.throwsAsync(client.call(module, fn, args), { instanceOf: RemoteError });
    t.like(error, { status, httpStatus });
  }
}

async function callByHttp2(
  session: ClientHttp2Session,
  module: string,
  fn: string,
  args: readonly unknown[],
): Promise<unknown> {
  const url = 'http://localhost';
  const request = encodeRequest({ url, secret, compressionThreshold: Infinity }, module, fn, args);
  const stream = session.request({
    ...request.headers,
    ':method': request.method,
    ':path': new URL(request.url).pathname,
  });
  stream.end(request.body);
  const [head] = (await once(stream, 'response')) as [Record<string, string>];
  const status = Number(head[':status']);
  const headers = Object.entries(head).filter(([name]) => !name.startsWith(':'));
  const body = Buffer.concat(await stream.toArray());
  return decodeResponse({ secret, requestId: request.requestId }, { status, headers, body });
}

for (const front of ['clear', 'tls'] as const) {
  withBoth(`Erlang calls Node behind HAProxy, ${front}: calls and refusals`, async (t) => {
    const proxy = await startHaproxy(t, await servers.Node(t), certificate);
    const client = startErlangClient({ secret });
    t.teardown(() => client.close());
    const ssl = `[{verify, verify_peer}, {cacertfile, "${authority.cert}"}]`;
    const options = front === 'tls' ? { ssl } : {};
    t.like(await client.call(proxy[front], 'peer', 'echo', '[hello]', options), { ok: 'hello' });
    for (const { httpStatus, module, fn, args } of refusals) {
      const list = args[0] === large ? `[binary:copy(<<7>>, ${2 * limit})]` : '[1]';
      const result = await client.call(proxy[front], module, fn, list, { ...options, gzip: false });
      t.like(result, { status: httpStatus, failure: `{remote,${httpStatus}}` });
    }
  });
}

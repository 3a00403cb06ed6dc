import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import {
  type BackwaterError,
  type CallContext,
  Client,
  ClosedError,
  ConnectError,
  ConnectionLostError,
  encodeRequest,
  decodeResponse,
  expose,
  OptionError,
  QueueFullError,
  raise,
  RemoteError,
  RemoteException,
  ResponseAuthenticationError,
  ResponseError,
  TermError,
  TimeoutError,
} from '../src/index.js';
import { connect, secret, serve, tcpServer } from './support/rpc.js';
import { exchangeRaw, requestBytes, signedRequest } from './support/signing.js';

async function failureOf(call: Promise<unknown>): Promise<BackwaterError> {
  return await call.then(
    (value) => {
      throw new Error(`returned ${String(value)}`);
    },
    (error: unknown) => error as BackwaterError,
  );
}

const context = true;
const REQUEST_ID = /^[\w+/]{22}==$/;

test('the error of a call has the identifier that its function saw', async (t) => {
  const seen: string[] = [];
  const see = (then: () => unknown): unknown =>
    expose.fn(
      ({ requestId }: CallContext) => {
        seen.push(requestId);
        return then();
      },
      { context },
    );
  const server = await serve(t, {
    m: {
      fail: see(() => {
        throw new RangeError('expected');
      }),
      raise: see(() => raise('exit', 'expected')),
      hang: see(() => new Promise(() => {})),
      large: see(() => 'x'.repeat(10_000)),
    },
  });
  const client = connect(t, server);
  const cases = [
    ['fail', {}, RemoteException],
    ['raise', {}, RemoteException],
    ['fail', { rethrowRemoteExceptions: true }, RangeError],
    ['hang', { recvTimeout: 200 }, TimeoutError],
    ['hang', { timeout: 200 }, TimeoutError],
    ['large', { maxEncodedResultSize: 100 }, ResponseError],
  ] as const;
  for (const [fn, options, type] of cases) {
    const error = await failureOf(client.call('m', fn, [], options));
    t.true(error instanceof type, String(error));
    t.regex(error.requestId!, REQUEST_ID);
    t.is(error.requestId, seen.at(-1), fn);
    t.true(Object.keys(error).includes('requestId'));
  }
  t.is(new Set(seen).size, seen.length);
});

test('refusals and unauthenticated answers have a requestId', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const refused = await failureOf(connect(t, server).call('m', 'missing'));
  t.true(refused instanceof RemoteError);
  t.regex(refused.requestId!, REQUEST_ID);
  const stranger = connect(t, server, { secret: 'another secret, also of 32 bytes' });
  const unbelieved = await failureOf(stranger.call('m', 'f'));
  t.true(unbelieved instanceof ResponseAuthenticationError);
  t.regex(unbelieved.requestId!, REQUEST_ID);
});

test('a ConnectionLostError has the requestId of the last attempt', async (t) => {
  const ids: string[] = [];
  const peer = await tcpServer(t, (socket) => {
    socket.on('data', (data) => {
      ids.push(/x-request-id: (\S+)/.exec(data.toString('latin1'))![1]!);
      socket.destroy();
    });
  });
  const client = connect(t, peer, { idempotent: true, maxRetries: 2 });
  const error = await failureOf(client.call('m', 'f'));
  t.true(error instanceof ConnectionLostError);
  t.is(ids.length, 3);
  t.is(error.requestId, ids[2]);
});

test('errors of unsent calls have no requestId', async (t) => {
  const server = await serve(t, { m: { f: () => sleep(100) } });
  const client = connect(t, server, { maxConnections: 1, maxQueuedCalls: 0 });
  const first = client.call('m', 'f');
  const unsent = [
    [QueueFullError, client.call('m', 'f')],
    [TermError, client.call('m', 'f', [Symbol('no term')])],
    [OptionError, client.call('', 'f')],
    [ConnectError, connect(t, { url: 'http://127.0.0.1:1' }).call('m', 'f')],
  ] as const;
  for (const [type, call] of unsent) {
    const error = await failureOf(call);
    t.true(error instanceof type, String(error));
    t.false('requestId' in error);
  }
  await first;
});

test('errors of decodeResponse have a requestId', async (t) => {
  const server = await serve(t, { m: { fail: () => raise('throw', 1) } });
  const target = { url: server.url, secret };
  const { url, method, headers, body, requestId } = encodeRequest(target, 'm', 'fail');
  const response = await fetch(url, { method, headers, body });
  const given = {
    status: response.status,
    headers: response.headers,
    body: await response.arrayBuffer(),
  };
  const raised = t.throws(() => decodeResponse({ secret, requestId }, given), {
    instanceOf: RemoteException,
  });
  t.is(raised.requestId, requestId);
  const forged = { ...given, body: Buffer.from('x') };
  const unbelieved = t.throws(() => decodeResponse({ secret, requestId }, forged), {
    instanceOf: ResponseAuthenticationError,
  });
  t.is(unbelieved.requestId, requestId);
});

test('a client counts its failures by code', async (t) => {
  const server = await serve(t, {
    m: { fail: () => raise('throw', 1), ok: () => 1, hang: () => new Promise(() => {}) },
  });
  const client = new Client({ url: server.url, secret });
  t.deepEqual(client.stats().failures, {});
  await client.call('m', 'ok');
  const aborted = AbortSignal.abort(new Error('too late'));
  const soon = AbortSignal.timeout(50);
  const failing = [
    client.call('m', 'fail'),
    client.call('m', 'fail', [], { rethrowRemoteExceptions: true }),
    client.call('m', 'missing'),
    client.call('m', 'hang', [], { timeout: 50 }),
    client.call('m', 'hang', [], { signal: soon }),
    client.call('m', 'ok', [], { signal: aborted }),
    client.call('m', 'ok', [Symbol('no term')]),
    client.call('m', 'ok', [], { timeout: -1 }),
    client.tryCall('m', 'missing'),
  ];
  await Promise.allSettled(failing);
  await client.close();
  await t.throwsAsync(client.call('m', 'ok'), { instanceOf: ClosedError });
  t.deepEqual(client.stats().failures, {
    ABORT_ERR: 2,
    ERR_BACKWATER_CLOSED: 1,
    ERR_BACKWATER_OPTION: 1,
    ERR_BACKWATER_REMOTE: 2,
    ERR_BACKWATER_REMOTE_EXCEPTION: 2,
    ERR_BACKWATER_TERM: 1,
    ERR_BACKWATER_TIMEOUT: 1,
  });
  t.is(client.stats().pending, 0);
});

async function refusedBy(t: ExecutionContext, bytes: Buffer, status: number): Promise<object> {
  const server = await serve(t, { m: { f: () => 1 } }, { maxEncodedArgsSize: 10 });
  const { answers } = await exchangeRaw(server.port, bytes);
  t.is(answers[0]!.status, status);
  t.is(server.stats().calls, 0);
  return server.stats().refused;
}

test('a server counts refused requests by reason', async (t) => {
  const target = '/backwater/1/m/f/0';
  const request = (parts: object): Buffer =>
    requestBytes(signedRequest(secret, { target, ...parts }));
  const cases: [Buffer, number, string][] = [
    [request({ target: '/elsewhere' }), 404, 'not_found'],
    [Buffer.from('POST / HTTP/1.1\r\n\r\n'), 400, 'bad_request'],
    [request({ headers: { authorization: undefined } }), 200, ''],
    [request({ method: 'PUT' }), 405, 'method_not_allowed'],
    [request({ target: '/backwater/1/m' }), 400, 'invalid_path'],
    [request({ target: '/backwater/1/x/f/0' }), 403, 'forbidden'],
    [request({ target: '/backwater/1/m/f/1' }), 404, 'function_not_found'],
    [request({ headers: { 'content-type': 'text/plain' } }), 415, 'unsupported_content_type'],
    [request({ headers: { accept: 'text/plain' } }), 406, 'not_acceptable'],
    [request({ body: Buffer.alloc(11) }), 413, 'payload_too_large'],
    [request({ body: Buffer.from('x') }), 400, 'unable_to_decode_arguments'],
    [request({ signed: ['digest'] }), 401, 'missing_mandatory_header'],
    [requestBytes(signedRequest('another secret', { target })), 401, 'invalid_signature'],
    [request({ headers: { 'x-backwater-meta-a': '%' } }), 400, 'invalid_metadata'],
  ];
  for (const [bytes, status, reason] of cases) {
    if (reason === '') continue;
    t.deepEqual(await refusedBy(t, bytes, status), { [reason]: 1 }, reason);
  }
});

test('a server counts calls beyond maxCallsInFlight as overloaded', async (t) => {
  const server = await serve(
    t,
    { m: { hang: () => new Promise(() => {}), ok: () => 1 } },
    { maxCallsInFlight: 1 },
  );
  const client = connect(t, server);
  const controller = new AbortController();
  const hanging = failureOf(client.call('m', 'hang', [], { signal: controller.signal }));
  while (server.stats().pending === 0) await sleep(5);
  await t.throwsAsync(client.call('m', 'ok'), { instanceOf: RemoteError });
  t.deepEqual(server.stats().refused, { overloaded: 1 });
  controller.abort();
  await hanging;
});

test('a server counts exceptions by class', async (t) => {
  const server = await serve(
    t,
    {
      m: {
        error: () => {
          throw new Error('expected');
        },
        exit: () => raise('exit', 1),
        throw: () => raise('throw', Symbol('no term')),
        large: () => 'x'.repeat(2000),
        ok: () => 1,
      },
    },
    { maxEncodedResultSize: 1000 },
  );
  const client = connect(t, server);
  for (const fn of ['error', 'exit', 'exit', 'throw', 'throw', 'throw', 'large', 'ok']) {
    await client.tryCall('m', fn);
  }
  const { exceptions, refused, calls } = server.stats();
  t.deepEqual(exceptions, { error: 2, exit: 2, throw: 3 });
  t.deepEqual(refused, {});
  t.is(calls, 8);
});

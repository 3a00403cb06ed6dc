import { inspect } from 'node:util';
import test from 'ava';
import {
  BackwaterError,
  ClosedError,
  ConnectError,
  ConnectionLostError,
  isBackwaterError,
  ListenError,
  OptionError,
  QueueFullError,
  RemoteError,
  RemoteException,
  ResponseAuthenticationError,
  ResponseError,
  SizeError,
  StreamError,
  TermError,
  TimeoutError,
  TlsError,
} from '../src/errors/errors.js';
import { inspectBriefly, truncate } from '../src/platform/inspect.js';
import { atom } from '../src/terms/index.js';

const times = { queued: 0, resolve: 0, connect: 0, tls: 0, send: 0, wait: 0, receive: 0 };

const samples: readonly (readonly [string, string, BackwaterError])[] = [
  ['BackwaterError', 'ERR_BACKWATER_UNKNOWN', new BackwaterError('x')],
  ['ListenError', 'ERR_BACKWATER_LISTEN', new ListenError('x')],
  ['ConnectError', 'ERR_BACKWATER_CONNECT', new ConnectError('x')],
  ['ConnectionLostError', 'ERR_BACKWATER_CONNECTION_LOST', new ConnectionLostError('x')],
  ['TlsError', 'ERR_BACKWATER_TLS', new TlsError('x', { reason: 'wrong_host' })],
  [
    'TimeoutError',
    'ERR_BACKWATER_TIMEOUT',
    new TimeoutError({ phase: 'connect', times, option: 'connectTimeout', limit: 1 }),
  ],
  ['QueueFullError', 'ERR_BACKWATER_QUEUE_FULL', new QueueFullError({ limit: 1 })],
  ['RemoteError', 'ERR_BACKWATER_REMOTE', new RemoteError(404, '')],
  ['RemoteException', 'ERR_BACKWATER_REMOTE_EXCEPTION', new RemoteException('exit', 1, [])],
  [
    'ResponseAuthenticationError',
    'ERR_BACKWATER_RESPONSE_AUTHENTICATION',
    new ResponseAuthenticationError('invalid_signature'),
  ],
  ['StreamError', 'ERR_BACKWATER_STREAM', new StreamError('x', { items: 0 })],
  ['ResponseError', 'ERR_BACKWATER_RESPONSE', new ResponseError('invalid_body')],
  ['SizeError', 'ERR_BACKWATER_SIZE', new SizeError({ option: 'maxEncodedArgsSize', limit: 1 })],
  ['TermError', 'ERR_BACKWATER_TERM', new TermError('x')],
  ['OptionError', 'ERR_BACKWATER_OPTION', new OptionError('x', { option: 'y' })],
  ['ClosedError', 'ERR_BACKWATER_CLOSED', new ClosedError('x')],
];

for (const [name, code, error] of samples) {
  test(`${name} has its name and code`, (t) => {
    t.true(error instanceof BackwaterError);
    t.true(error instanceof Error);
    t.is(error.name, name);
    t.is(error.constructor.name, name);
    t.is(error.code, code as never);
    t.true(error.stack!.startsWith(`${name}: ${error.message}\n`));
    t.false(Object.keys(error).includes('name'));
    t.true(inspect(error).includes(code));
    t.false(inspect(error).includes('undefined'));
  });
}

test('no two classes share a code', (t) => {
  t.is(new Set(samples.map(([, code]) => code)).size, samples.length);
});

test('every class keeps its cause', (t) => {
  const cause = new Error('why');
  for (const error of [
    new BackwaterError('x', { cause }),
    new ListenError('x', { cause, port: 1 }),
    new ConnectError('x', { cause }),
    new ConnectionLostError('x', { cause }),
    new TimeoutError({ phase: 'send', times, option: 'recvTimeout', limit: 1, cause }),
    new QueueFullError({ limit: 1, cause }),
    new RemoteError(500, '', { cause }),
    new RemoteException('error', 1, [], { cause }),
    new ResponseAuthenticationError('missing_header', { cause }),
    new ResponseError('invalid_http', '', { cause }),
    new SizeError({ option: 'maxEncodedResultSize', limit: 1, cause }),
    new TermError('x', { cause, path: 'args' }),
    new OptionError('x', { cause, option: 'y' }),
    new ClosedError('x', { cause }),
  ]) {
    t.is(error.cause, cause, error.name);
  }
  t.false('cause' in new TermError('x', { path: 'args' }));
});

test('instanceof distinguishes the classes and subclasses of users', (t) => {
  class OwnError extends ConnectError {}
  const own = new OwnError('x');
  t.true(own instanceof OwnError && own instanceof ConnectError && own instanceof BackwaterError);
  t.false(new ConnectError('x') instanceof OwnError);
  t.false(new TlsError('x', { reason: 'wrong_host' }) instanceof OwnError);
  t.true(new TlsError('x', { reason: 'wrong_host' }) instanceof ConnectError);
  t.false(new ConnectError('x') instanceof TlsError);
  t.true(new SizeError({ option: 'maxEncodedArgsSize', limit: 1 }) instanceof TermError);
});

test('a lost connection is not a ConnectError, because a retry may not be safe', (t) => {
  const lost = new ConnectionLostError('x');
  t.false(lost instanceof ConnectError);
  t.is(Object.getPrototypeOf(ConnectionLostError), BackwaterError);
});

test('isBackwaterError distinguishes errors of the library from all others', (t) => {
  for (const [name, , error] of samples) t.true(isBackwaterError(error), name);
  const { proxy, revoke } = Proxy.revocable(new ConnectError('x'), {});
  t.true(isBackwaterError(proxy));
  revoke();
  for (const other of [
    proxy,
    new Error('x'),
    { code: 'ERR_BACKWATER_TERM' },
    null,
    undefined,
    'x',
  ]) {
    t.false(isBackwaterError(other));
  }
});

test('from returns errors of the library unchanged and wraps everything else', (t) => {
  const own = new ConnectError('x');
  t.is(BackwaterError.from(own), own);
  const other = new RangeError('too far');
  const wrapped = BackwaterError.from(other);
  t.is(wrapped.constructor, BackwaterError);
  t.is(wrapped.message, 'too far');
  t.is(wrapped.cause, other);
  t.is(BackwaterError.from('text').message, "'text'");
  t.is(BackwaterError.from(undefined).message, 'undefined');
});

test('from never throws', (t) => {
  const trap = (): never => {
    throw new Error('trap');
  };
  const hostile = Object.defineProperty(new Error('x'), 'message', { get: trap });
  t.is(BackwaterError.from(hostile).cause, hostile);
  const proxy = new Proxy({}, { get: trap, getPrototypeOf: trap, ownKeys: trap });
  t.is(BackwaterError.from(proxy).cause, proxy);
  const printer = { [inspect.custom]: trap };
  t.is(BackwaterError.from(printer).message, 'an uninspectable object');
});

test('a ConnectError states the address and the reason', (t) => {
  const error = new ConnectError('refused', {
    host: '10.0.0.1',
    port: 8080,
    reason: 'ECONNREFUSED',
  });
  t.like(error, { host: '10.0.0.1', port: 8080, reason: 'ECONNREFUSED' });
  t.regex(inspect(error), /10\.0\.0\.1.*8080.*ECONNREFUSED/s);
});

test('a TimeoutError names the option and the time spent in each phase', (t) => {
  const spent = { ...times, connect: 2.6, receive: 5000 };
  const fields = { phase: 'receive', times: spent, option: 'recvTimeout', limit: 5000 } as const;
  const late = new TimeoutError(fields);
  t.like(late, fields);
  t.deepEqual(Object.keys(late.times), Object.keys(times));
  t.regex(late.message, /response within 5000 ms.*recvTimeout.*connect 3 ms, receive 5000 ms/);
  const past = new TimeoutError({ phase: 'queued', times, option: 'deadline', limit: 0 });
  t.is(past.message, 'the deadline had passed before the call began (option deadline)');
  for (const phase of ['queued', 'resolve', 'connect', 'tls'] as const) {
    const { message } = new TimeoutError({ phase, times, option: 'timeout', limit: 8 });
    t.regex(message, /no connection within 8 ms \(option timeout\); phases: /);
    t.true(message.endsWith(`phases: ${phase} 0 ms`), message);
  }
});

test('a QueueFullError names the limit and the options', (t) => {
  const full = new QueueFullError({ limit: 7 });
  t.like(full, { limit: 7, option: 'maxQueuedCalls' });
  t.regex(full.message, /7 calls.*maxConnections.*maxQueuedCalls/);
});

test("a RemoteError uses the protocol's status names, or else the number", (t) => {
  for (const [httpStatus, status] of [
    [400, 'bad_request'],
    [401, 'unauthorized'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [405, 'method_not_allowed'],
    [406, 'not_acceptable'],
    [413, 'payload_too_large'],
    [415, 'unsupported_media_type'],
    [500, 'internal_error'],
    [402, 402],
    [503, 503],
  ] as const) {
    const error = new RemoteError(httpStatus, 'text');
    t.like(error, { httpStatus, status, reason: 'text' });
    t.true(error.message.includes(String(status)) && error.message.includes(String(httpStatus)));
  }
  t.is(
    new RemoteError(404, 'module_not_found').message,
    'the server refused the call: 404 not_found: module_not_found',
  );
  t.is(new RemoteError(403, '').message, 'the server refused the call: 403 forbidden');
  t.is(
    new RemoteError(403, '', { call: 'shop:find/1' }).message,
    'the server refused the call to shop:find/1: 403 forbidden: is the module exposed there?',
  );
});

test('text from a peer is one short line in messages and unchanged in fields', (t) => {
  const reason = `first\nsecond\x1b[31m${'x'.repeat(1000)}`;
  const error = new RemoteError(400, reason);
  t.is(error.reason, reason);
  t.notRegex(error.message, /\p{Cc}/u);
  t.true(error.message.length < 400);
});

test('a RemoteException carries the exception and does not print its stack trace twice', (t) => {
  const error = new RemoteException('error', atom('badarith'), [1, 2, 3], { text: 'badarith' });
  t.is(error.class, 'error');
  t.is(error.reason, atom('badarith'));
  t.deepEqual(error.stacktrace, [1, 2, 3]);
  t.is(error.message, 'remote error: badarith');
  t.false(Object.keys(error).includes('stacktrace'));
  t.true(inspect(error).includes("atom('badarith')"));
  t.is(new RemoteException('exit', 'over', []).message, "remote exit: 'over'");
});

test('a ResponseAuthenticationError marks unverified text', (t) => {
  const error = new ResponseAuthenticationError('missing_signature_header', {
    unverified: { status: 401, body: 'unknown_key\n' },
  });
  t.deepEqual(error.unverified, { status: 401, body: 'unknown_key\n' });
  t.regex(
    error.message,
    /missing_signature_header; the server answered 401 "unknown_key\\n", unverified.*secret/,
  );
  const other = new ResponseAuthenticationError('missing_header', {
    header: 'digest',
    unverified: { status: 502, body: '' },
  });
  t.is(other.header, 'digest');
  t.is(
    other.message,
    'the response is not authentic: missing_header (digest); the server answered 502, unverified',
  );
  t.false('header' in error);
});

test('a ResponseError states the exact reason', (t) => {
  const error = new ResponseError('invalid_content_type', 'text/html');
  t.like(error, { reason: 'invalid_content_type', detail: 'text/html' });
  t.true(error.message.endsWith('invalid_content_type: text/html'));
  t.true(new ResponseError('invalid_body').message.endsWith('invalid_body'));
});

test('a SizeError names the option that raises the limit', (t) => {
  const args = new SizeError({ option: 'maxEncodedArgsSize', limit: 100, size: 101 });
  t.like(args, { option: 'maxEncodedArgsSize', limit: 100, size: 101 });
  t.regex(args.message, /arguments.*101 bytes.*at most 100 bytes.*maxEncodedArgsSize/);
  const result = new SizeError({ option: 'maxEncodedResultSize', limit: 100 });
  t.false('size' in result);
  t.regex(result.message, /result.*at most 100 bytes.*maxEncodedResultSize/);
});

test('TermError and OptionError name the path', (t) => {
  t.like(new TermError('x', { path: 'args[0]' }), { path: 'args[0]' });
  t.like(new TermError('x', { offset: 0 }), { offset: 0 });
  t.false('path' in new TermError('x', { offset: 0 }));
  t.is(new OptionError('x', { option: 'port' }).option, 'port');
});

test('truncate keeps what fits and never splits a character', (t) => {
  t.is(truncate('abcd', 4), 'abcd');
  t.is(truncate('abcde', 4), 'abc…');
  t.is(truncate('ab😀de', 4), 'ab…');
  t.is(truncate('a😀de', 4), 'a😀…');
  t.is(truncate('\ud800', 4), '\ufffd');
});

test('inspectBriefly returns one line within its maximum length', (t) => {
  const text = inspectBriefly({ list: Array.from({ length: 1000 }, (_, i) => i), text: 'a\nb' });
  t.false(text.includes('\n'));
  t.true(text.includes('more items'));
  t.is(inspectBriefly('x'.repeat(1000), 100).length, 100);
  t.is(inspectBriefly([1], 100), '[ 1 ]');
});

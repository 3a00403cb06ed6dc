import { readFileSync } from 'node:fs';
import test from 'ava';
import {
  BackwaterError,
  ClosedError,
  ConnectError,
  ConnectionLostError,
  ListenError,
  OptionError,
  QueueFullError,
  RemoteError,
  RemoteException,
  ResponseAuthenticationError,
  ResponseError,
  StreamError,
  SizeError,
  TermError,
  TimeoutError,
  TlsError,
} from '../src/errors/errors.js';
import type { CallPhase } from '../src/errors/errors.js';
import * as errors from '../src/errors/errors.js';
import { isRetryable } from '../src/errors/retryable.js';

const times = { queued: 0, resolve: 0, connect: 0, tls: 0, send: 0, wait: 0, receive: 0 };
const timeout = (
  phase: CallPhase,
  option: 'timeout' | 'deadline' | 'parent' = 'timeout',
): TimeoutError => new TimeoutError({ phase, times, option, limit: 1 });
const remote = (...statuses: number[]): RemoteError[] =>
  statuses.map((status) => new RemoteError(status, ''));
const unverified = (...statuses: number[]): ResponseAuthenticationError[] =>
  statuses.map(
    (status) =>
      new ResponseAuthenticationError('missing_signature_header', {
        unverified: { status, body: '' },
      }),
  );

const rows: Readonly<Record<string, readonly BackwaterError[]>> = {
  ConnectError: [new ConnectError('x'), new ConnectError('x', { phase: 'resolve' })],
  TlsError: [new TlsError('x', { reason: 'handshake_failed' })],
  'TimeoutError, phase queued, resolve, connect, tls': [timeout('queued'), timeout('connect')],
  'TimeoutError, phase send, wait, receive, interceptors': [
    timeout('wait'),
    timeout('interceptors'),
  ],
  'TimeoutError, option deadline, parent': [
    timeout('queued', 'deadline'),
    timeout('wait', 'parent'),
  ],
  QueueFullError: [new QueueFullError({ limit: 1 })],
  ConnectionLostError: [new ConnectionLostError('x')],
  StreamError: [new StreamError('x', { items: 0 })],
  'RemoteError 408, 503, 504': remote(408, 503, 504),
  'RemoteError 500': remote(500),
  'RemoteError, other statuses': remote(400, 401, 403, 404, 405, 406, 413, 415, 429, 502),
  RemoteException: [new RemoteException('error', 1, [])],
  'ResponseAuthenticationError, unverified 502, 503, 504': unverified(502, 503, 504),
  'ResponseAuthenticationError, others': [
    new ResponseAuthenticationError('invalid_signature'),
    ...unverified(200, 401, 500),
  ],
  ResponseError: [new ResponseError('invalid_body')],
  SizeError: [new SizeError({ option: 'maxEncodedArgsSize', limit: 1 })],
  TermError: [new TermError('x')],
  OptionError: [new OptionError('x', { option: 'y' })],
  ClosedError: [new ClosedError('x')],
  ListenError: [new ListenError('x')],
  'BackwaterError, no other class': [new BackwaterError('x')],
};

/** Whether each error of the page allows a retry, without and with `idempotent`. */
function items(): (readonly [string, boolean, boolean])[] {
  const page = readFileSync(new URL('../../docs/retries.md', import.meta.url), 'utf8');
  return [
    ['Retry any function', true, true],
    ['Retry an idempotent function', false, true],
    ['Do not retry', false, false],
  ].flatMap(([title, any, idempotent]) => {
    const section = page.split(`\n## ${title as string}\n`)[1]!.split('\n## ')[0]!;
    return Array.from(
      section.matchAll(/^- (`\w+`.*?)(?:, (?:although|unless) .*)?$/gm),
      ([, error]) => {
        return [error!.replaceAll('`', ''), any as boolean, idempotent as boolean] as const;
      },
    );
  });
}

test('isRetryable agrees with each item of docs/retries.md', (t) => {
  const lines = items();
  t.deepEqual(lines.map(([error]) => error).sort(), Object.keys(rows).sort());
  for (const [error, any, idempotent] of lines) {
    for (const each of rows[error]!) {
      t.is(isRetryable(each), any, `${error}: ${each.message}`);
      t.is(isRetryable(each, { idempotent: false }), any, error);
      t.is(isRetryable(each, { idempotent: true }), idempotent, `${error}: ${each.message}`);
      t.true(idempotent || !any, 'what is safe for any function is safe for an idempotent one');
    }
  }
});

test('docs/retries.md lists every exported error class', (t) => {
  const classes = Object.values<unknown>({ ...errors })
    .filter((value) => typeof value === 'function')
    .filter((value) => (value.prototype as unknown) instanceof Error)
    .map(({ name }) => name);
  const named = new Set(items().map(([error]) => /^\w+/.exec(error)![0]));
  t.deepEqual([...named].sort(), classes.sort());
});

test('only errors of the library are retryable', (t) => {
  for (const other of [
    new Error('x'),
    new DOMException('stop', 'AbortError'),
    { code: 'ERR_BACKWATER_CONNECT' },
    null,
    undefined,
    'ERR_BACKWATER_CONNECT',
  ]) {
    t.false(isRetryable(other));
    t.false(isRetryable(other, { idempotent: true }));
  }
});

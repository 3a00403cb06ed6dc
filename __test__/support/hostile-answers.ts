import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { atom, encode, tuple } from '../../src/index.js';
import { secret } from './rpc.js';

export interface AnswerParts {
  readonly status?: number;
  readonly reason?: string;
  readonly body?: Buffer;
  /** Additional or different signed headers; undefined omits one. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly lines?: string;
  readonly key?: string | Uint8Array;
  readonly signed?: boolean;
}

export type Answering = (socket: Socket, id: string) => void;

export type Outcome = { readonly value: unknown } | readonly [name: string, words: RegExp];

const RETURN = encode(tuple(atom('return'), 'fine'));
const FINE: Outcome = { value: 'fine' };
const timeout: Outcome = ['TimeoutError', /recvTimeout/];
const unauthentic = (words: RegExp): Outcome => ['ResponseAuthenticationError', words];
const noHttp: Outcome = ['ResponseError', /invalid_http/];
const invalid = (words = /invalid_body/): Outcome => ['ResponseError', words];
const lost: Outcome = ['ConnectionLostError', /lost/];
const refused = (words: RegExp): Outcome => ['RemoteError', words];

export function answer(id: string, parts: AnswerParts = {}): Buffer {
  const { status = 200, reason = 'OK', body = RETURN, key = secret, signed = true } = parts;
  const all = Object.entries<string | undefined>({
    'content-type': 'application/x-erlang-etf',
    'content-length': String(body.length),
    digest: `SHA-256=${createHash('sha256').update(body).digest('base64')}`,
    'x-request-id': id,
    ...parts.headers,
  }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const lines = [['(response-status)', String(status)] as const, ...all].map(
    ([name, value]) => `${name}: ${value}`,
  );
  const names = ['(response-status)', ...all.map(([name]) => name)].join(' ');
  const signature = createHmac('sha256', key).update(lines.join('\n')).digest('base64');
  const head = [`HTTP/1.1 ${status} ${reason}`, ...lines.slice(1)];
  if (signed) {
    head.push(
      `signature: algorithm="hmac-sha256",headers="${names}",keyId="default",signature="${signature}"`,
    );
  }
  const text = `${head.join('\r\n')}\r\n${parts.lines ?? ''}\r\n`;
  return Buffer.concat([Buffer.from(text, 'latin1'), body]);
}

function chunkedHead(id: string): Buffer {
  const headers = { 'content-length': undefined, 'transfer-encoding': 'chunked' };
  return answer(id, { headers }).subarray(0, -RETURN.length);
}
const chunk = (data: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from('\r\n')]);

function flood(socket: Socket, piece: Buffer): void {
  const write = (): void => {
    while (!socket.destroyed) {
      if (!socket.write(piece)) {
        socket.once('drain', write);
        return;
      }
    }
  };
  write();
}

function drip(socket: Socket, piece: string): void {
  const timer = setInterval(() => {
    if (socket.destroyed) clearInterval(timer);
    else socket.write(piece);
  }, 5);
  socket.on('close', () => clearInterval(timer));
}

const made =
  (parts: AnswerParts): Answering =>
  (socket, id) =>
    socket.write(answer(id, parts));
const ended =
  (parts: AnswerParts): Answering =>
  (socket, id) =>
    socket.end(answer(id, parts));
const body = (...parts: (Buffer | string | number[])[]): Answering =>
  made({ body: Buffer.concat(parts.map((part) => Buffer.from(part as string))) });
const exception = (value: unknown): Answering =>
  made({ body: encode(tuple(atom('exception'), value)) });
const plain =
  (text: string): Answering =>
  (socket) =>
    socket.write(Buffer.from(text, 'latin1'));
const flooded =
  (begin: (id: string) => Buffer | string, piece: string | Buffer): Answering =>
  (socket, id) => {
    socket.write(begin(id));
    flood(socket, Buffer.from(piece as string));
  };
const inChunks = (...rest: (Buffer | string)[]): Answering => {
  const bytes = Buffer.concat(rest.map((part) => Buffer.from(part as string)));
  return (socket, id) => socket.write(Buffer.concat([chunkedHead(id), bytes]));
};
const RETURN_OF = [Buffer.of(131, 104, 2, 119, 6), 'return'];
const BLOCK = Buffer.alloc(65_536, 65);
const STATUS = 'HTTP/1.1 200 OK\r\n';

export const answerings: readonly (readonly [string, Answering, Outcome])[] = [
  ['a valid answer', made({}), FINE],

  // Origin and request.
  ['no signature', made({ signed: false }), unauthentic(/missing_signature_header/)],
  ['a signature with the wrong secret', made({ key: 'other' }), unauthentic(/invalid_signature/)],
  [
    'the id of another request',
    (socket) => socket.write(answer('AAAA')),
    unauthentic(/mismatched_request_id/),
  ],
  [
    'no request id',
    made({ headers: { 'x-request-id': undefined } }),
    unauthentic(/missing_request_id/),
  ],
  ['a second request id', made({ lines: 'x-request-id: x\r\n' }), unauthentic(/duplicate_header/)],
  ['a second signature', made({ lines: 'signature: x\r\n' }), unauthentic(/duplicate_header/)],
  ['a second digest', made({ lines: 'digest: x\r\n' }), unauthentic(/duplicate_header/)],
  [
    'a second content-type',
    made({ lines: 'content-type: x\r\n' }),
    unauthentic(/duplicate_header/),
  ],
  [
    'a wrong digest',
    made({ headers: { digest: 'SHA-256=AAAA' } }),
    unauthentic(/wrong_body_digest/),
  ],
  ['two answers', (socket, id) => socket.write(Buffer.concat([answer(id), answer(id)])), FINE],
  [
    'garbage after the answer',
    (socket, id) => socket.write(Buffer.concat([answer(id), randomBytes(99)])),
    FINE,
  ],

  // Statuses.
  [
    'a redirect',
    made({ status: 301, headers: { location: 'http://127.0.0.1:1/' } }),
    refused(/301/),
  ],
  [
    'an unsigned redirect',
    plain('HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n'),
    unauthentic(/missing_request_id/),
  ],
  [
    'a large unsigned 401',
    flooded(
      (id) => `HTTP/1.1 401 x\r\nx-request-id: ${id}\r\ncontent-length: 999999999999\r\n\r\n`,
      BLOCK,
    ),
    unauthentic(/missing_signature_header/),
  ],
  ['204 with a body', made({ status: 204 }), unauthentic(/wrong_body_digest/)],
  ['304 with a body', made({ status: 304 }), unauthentic(/wrong_body_digest/)],
  [
    '101',
    made({ status: 101, headers: { connection: 'upgrade', upgrade: 'x' } }),
    unauthentic(/wrong_body_digest/),
  ],
  [
    'an unsigned 101',
    plain('HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n'),
    unauthentic(/missing_request_id/),
  ],
  ['a status of 99', made({ status: 99 }), noHttp],
  ['a status of 1000', made({ status: 1000 }), noHttp],
  ['a status of 999', made({ status: 999 }), refused(/999/)],
  ['a reason with control characters', made({ reason: '\x01' }), noHttp],
  ['500 with invalid UTF-8', made({ status: 500, body: Buffer.of(255, 254, 0) }), refused(/500/)],
  [
    '500 with a body over the limit',
    made({ status: 500, body: Buffer.alloc(9_000_000, 65) }),
    invalid(/maxEncodedResultSize/),
  ],
  [
    '503 with an overflowing retry-after',
    made({ status: 503, headers: { 'retry-after': '9'.repeat(30) } }),
    refused(/503/),
  ],
  [
    'interim answers before the answer',
    (socket, id) =>
      socket.write(
        Buffer.concat([
          Buffer.from('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nlink: x\r\n\r\n'),
          answer(id),
        ]),
      ),
    FINE,
  ],
  ['endless 100s', flooded(() => '', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)), timeout],
  [
    'endless 103s with headers',
    flooded(() => '', `HTTP/1.1 103 x\r\n${'link: x\r\n'.repeat(90)}\r\n`.repeat(50)),
    timeout,
  ],
  ['a slow drip of 199s', (socket) => drip(socket, 'HTTP/1.1 199 x\r\n\r\n'), timeout],

  // Heads.
  ['endless headers', flooded(() => STATUS, 'x-a: b\r\n'.repeat(1000)), noHttp],
  ['an endless header', flooded(() => `${STATUS}x: `, BLOCK), noHttp],
  [
    'a slow drip of headers',
    (socket) => {
      socket.write(STATUS);
      drip(socket, 'x: y\r\n');
    },
    timeout,
  ],
  ['an endless reason', flooded(() => 'HTTP/1.1 200 ', BLOCK), noHttp],
  ['endless empty lines', flooded(() => '', '\r\n'.repeat(10_000)), noHttp],
  ['150 headers', made({ lines: 'x: y\r\n'.repeat(150) }), noHttp],
  [
    'a header in two lines',
    (socket, id) =>
      socket.write(answer(id).toString('latin1').replace('digest: ', 'digest:\r\n '), 'latin1'),
    noHttp,
  ],
  [
    'HTTP/1.0',
    (socket, id) =>
      socket.end(answer(id).toString('latin1').replace('HTTP/1.1', 'HTTP/1.0'), 'latin1'),
    FINE,
  ],
  ['HTTP/0.9', (socket) => socket.end(RETURN), noHttp],
  ['HTTP/2', (socket) => socket.write(Buffer.from('000000040000000000', 'hex')), noHttp],
  ['garbage', (socket) => socket.write(Buffer.alloc(3000, 0xf5)), noHttp],

  // Where the body ends.
  ['no content-length', ended({ headers: { 'content-length': undefined } }), FINE],
  [
    'a content-length that is too small',
    made({ headers: { 'content-length': String(RETURN.length - 1) } }),
    unauthentic(/wrong_body_digest/),
  ],
  [
    'a content-length that is too large',
    ended({ headers: { 'content-length': String(RETURN.length + 1) } }),
    lost,
  ],
  [
    'a body shorter than its content-length',
    made({ headers: { 'content-length': String(RETURN.length + 1) } }),
    timeout,
  ],
  [
    'a huge content-length',
    made({ headers: { 'content-length': '1000000000000000000' } }),
    invalid(/maxEncodedResultSize/),
  ],
  ['a negative content-length', made({ headers: { 'content-length': '-1' } }), noHttp],
  ['two content-lengths', made({ lines: 'content-length: 3\r\n' }), noHttp],
  ['chunks', inChunks(chunk(RETURN), '0\r\n\r\n'), FINE],
  [
    'chunks of one byte',
    inChunks(...Array.from(RETURN, (byte) => chunk(Buffer.of(byte))), '0\r\n\r\n'),
    FINE,
  ],
  ['a chunk shorter than its size', inChunks('ffffffffffffffff\r\n', RETURN), timeout],
  ['a chunk size that overflows', inChunks('fffffffffffffffff\r\n', RETURN), noHttp],
  ['endless chunks', flooded(chunkedHead, chunk(BLOCK)), invalid(/maxEncodedResultSize/)],
  [
    'an endless chunk extension',
    flooded((id) => Buffer.concat([chunkedHead(id), Buffer.from('5;')]), BLOCK),
    noHttp,
  ],
  [
    'endless chunk extensions',
    flooded(chunkedHead, `1;${'e'.repeat(50)}\r\nA\r\n`.repeat(1000)),
    noHttp,
  ],
  [
    'endless trailers',
    flooded(
      (id) => Buffer.concat([chunkedHead(id), chunk(RETURN), Buffer.from('0\r\n')]),
      'x: y\r\n'.repeat(1000),
    ),
    noHttp,
  ],
  [
    'trailers with signed headers',
    inChunks(chunk(RETURN), '0\r\nsignature: x\r\ndigest: y\r\n\r\n'),
    FINE,
  ],

  // Bodies.
  [
    'another content-type',
    made({ headers: { 'content-type': 'text/plain' } }),
    invalid(/invalid_content_type/),
  ],
  ['gzip', made({ body: gzipSync(RETURN), headers: { 'content-encoding': 'gzip' } }), FINE],
  [
    'gzip twice',
    made({ body: gzipSync(gzipSync(RETURN)), headers: { 'content-encoding': 'gzip, gzip' } }),
    invalid(/invalid_content_encoding/),
  ],
  [
    'gzip that inflates beyond the limit',
    made({ body: gzipSync(Buffer.alloc(100_000_000)), headers: { 'content-encoding': 'gzip' } }),
    invalid(/maxEncodedResultSize/),
  ],
  [
    'empty gzip',
    made({ body: Buffer.alloc(0), headers: { 'content-encoding': 'gzip' } }),
    invalid(),
  ],
  [
    'truncated gzip',
    made({ body: gzipSync(RETURN).subarray(0, -2), headers: { 'content-encoding': 'gzip' } }),
    invalid(),
  ],
  ['no term', body(), invalid()],
  [
    'a tuple that is neither a value nor an exception',
    body(encode(tuple(atom('other'), 1))),
    invalid(/neither/),
  ],
  ['a term without a tuple', body(encode('text')), invalid(/neither/)],
  ['bytes after the term', body(RETURN, 'bytes'), FINE],
  [
    'a very deep term',
    body(...RETURN_OF, Buffer.alloc(400_000, Buffer.of(104, 1)), [106]),
    invalid(/maxDepth/),
  ],
  ['a list of four billion', body(...RETURN_OF, [108, 255, 255, 255, 255, 106]), invalid()],
  ['an exception that is a number', exception(1), invalid(/neither/)],
  [
    'an exception with an unknown class',
    exception(tuple(atom('weird'), 1, [])),
    invalid(/neither/),
  ],
  [
    'an exception with an arbitrary stack',
    exception(tuple(atom('error'), 1, [1, tuple(1), 'x', atom('y')])),
    ['RemoteException', /error: 1/],
  ],
  [
    'an error called __proto__',
    exception(
      tuple(
        atom('error'),
        tuple(
          atom('js_error'),
          new Map([
            [atom('name'), '__proto__'],
            [atom('__proto__'), 'x'],
          ]),
        ),
        [],
      ),
    ),
    ['RemoteException', /error/],
  ],

  // Connections.
  ['closed at once', (socket) => socket.destroy(), lost],
  ['reset at once', (socket) => socket.resetAndDestroy(), lost],
  ['ended at once', (socket) => socket.end(), lost],
  ['half a head', (socket, id) => socket.end(answer(id).subarray(0, 80)), lost],
  ['half a body', (socket, id) => socket.end(answer(id).subarray(0, -3)), lost],
  ['closed after the answer', ended({ lines: 'connection: close\r\n' }), FINE],
  ['silence', () => {}, timeout],
];

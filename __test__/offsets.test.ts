import test from 'ava';
import {
  atom,
  decode,
  decodeResponse,
  encode,
  ExternalFunction,
  Pid,
  ResponseError,
  TermError,
  tuple,
} from '../src/index.js';
import { answer } from './support/hostile-answers.js';
import { connect, secret, tcpServer } from './support/rpc.js';

const binary = (text: string): number[] => [109, 0, 0, 0, text.length, ...Buffer.from(text)];
const decoding = {
  decodeUnsafeTerms: false,
  maxDepth: 3,
  maxTerms: 20,
  binaries: 'string',
} as const;
const big = (index: number): number[] => [110, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, index + 1];
const bigKeys = Array.from({ length: 65 }, (_, index) => [...big(index), 106]).flat();

const rows: readonly (readonly [what: string, bytes: number[], offset: number, words: RegExp])[] = [
  ['no bytes', [], 0, /ends in the middle/],
  ['another version', [130, 97, 1], 0, /version byte 131/],
  ['only a version', [131], 1, /ends in the middle/],
  ['an unknown tag', [131, 104, 2, 97, 1, 200], 5, /tag 200 does not begin a term/],
  ['a list that is too short', [131, 108, 0, 0, 0, 9, 97, 1], 6, /ends in the middle/],
  ['a binary that is too short', [131, 109, 0, 0, 0, 9, 97, 1], 6, /ends in the middle/],
  ['a key twice', [131, 116, 0, 0, 0, 2, ...binary('a'), 106, ...binary('a'), 106], 19, /same key/],
  ['an unknown atom', [131, 104, 1, 119, 2, 63, 63], 7, /"\?\?" is unknown/],
  [
    'deep nesting',
    [131, ...Array.from({ length: 8 }, () => [104, 1]).flat(), 106],
    9,
    /deeper than 3 levels/,
  ],
  [
    'many terms',
    [131, 107, 0, 30, ...Array.from({ length: 30 }, () => 0)],
    34,
    /more than 20 terms/,
  ],
  ['invalid UTF-8', [131, 104, 1, 109, 0, 0, 0, 1, 255], 9, /not UTF-8/],
  ['a NaN', [131, 70, 127, 248, 0, 0, 0, 0, 0, 0], 10, /not a finite number/],
  ['a compressed term', [131, 80, 0, 0, 0, 1], 2, /compressed/],
];

for (const [what, bytes, offset, words] of rows) {
  test(`the error has an offset: ${what}`, (t) => {
    const error = t.throws(() => decode(Buffer.from(bytes), decoding), { instanceOf: TermError })!;
    t.regex(error.message, words);
    t.is(error.offset, offset, error.message);
    t.true(error.message.endsWith(`, at byte ${offset}`));
  });
}

test('errors for colliding keys and large messages have an offset', (t) => {
  const bytes = Buffer.from([131, 116, 0, 0, 0, 65, ...bigKeys]);
  t.is(t.throws(() => decode(bytes), { instanceOf: TermError })!.offset, bytes.length);
  const large = encode(Array.from({ length: 100_000 }, (_, index) => index));
  large[large.length - 1] = 97;
  const error = t.throws(() => decode(large), { instanceOf: TermError })!;
  t.is(error.offset, large.length);
});

test('errors for damaged terms have an offset within the term', (t) => {
  const value = tuple(
    atom('a'),
    [1, 2.5, 2 ** 40, 10n ** 30n],
    { k: 'v', ü: null },
    Buffer.from([255]),
  );
  const bytes = encode([
    value,
    new Map<unknown, unknown>([
      [1, [2]],
      [tuple(), 'x'],
    ]),
    new Pid(atom('n@h'), 1, 2, 3),
    new ExternalFunction(atom('m'), atom('f'), 1),
  ]);
  let failures = 0;
  const check = (damaged: Buffer): void => {
    try {
      decode(damaged);
    } catch (error) {
      failures++;
      const { offset } = error as TermError;
      if (!(error instanceof TermError) || typeof offset !== 'number') throw error;
      t.true(Number.isInteger(offset) && offset >= 0 && offset <= damaged.length);
    }
  };
  for (let at = 0; at < bytes.length; at++) {
    check(bytes.subarray(0, at));
    for (const byte of [0, 1, 77, 106, 108, 109, 116, 119, 200, 255]) {
      const damaged = Buffer.from(bytes);
      damaged[at] = byte;
      check(damaged);
    }
  }
  t.true(failures > bytes.length);
});

test('errors for damaged results have an offset, those for other unreadable results do not', async (t) => {
  const requestId = Buffer.alloc(16, 7).toString('base64');
  const responseOf = (
    text: string,
  ): { status: number; headers: [string, string][]; body: Buffer } => {
    const end = text.indexOf('\r\n\r\n');
    const lines = text.slice(0, end).split('\r\n').slice(1);
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(': ');
      return [line.slice(0, colon), line.slice(colon + 2)];
    });
    return { status: 200, headers, body: Buffer.from(text.slice(end + 4), 'latin1') };
  };
  const damaged = Buffer.from([131, 104, 2, 119, 6, ...Buffer.from('return'), 200]);
  const check = (error: ResponseError): void => {
    t.is(error.reason, 'invalid_body');
    t.true(error.cause instanceof TermError);
    t.is((error.cause as TermError).offset, 11);
    t.is((error.cause as TermError).message, error.detail);
  };
  const response = responseOf(answer(requestId, { body: damaged }).toString('latin1'));
  check(
    t.throws(() => decodeResponse({ secret, requestId }, response), { instanceOf: ResponseError })!,
  );
  const bodies = [damaged, Buffer.from([131, 97, 1])];
  const server = await tcpServer(t, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (data: Buffer) => {
      const id = /x-request-id: (.*)\r\n/i.exec(data.toString('latin1'))?.[1];
      if (id !== undefined) socket.end(answer(id, { body: bodies.shift()! }));
    });
  });
  const client = connect(t, server, { maxRetries: 0 });
  check((await t.throwsAsync(client.call('m', 'f'), { instanceOf: ResponseError }))!);
  const other = await t.throwsAsync(client.call('m', 'f'), { instanceOf: ResponseError });
  t.is(other!.cause, undefined);
});

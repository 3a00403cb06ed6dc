import test from 'ava';
import { atom, decode, decodeResponse, encode, RemoteError, TermError } from '../src/index.js';
import { secret, serve } from './support/rpc.js';
import { exchangeRaw, requestBytes, signedRequest } from './support/signing.js';

const bytes = (...parts: (number | string | Buffer | number[])[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part as string))),
  );
const header = (tag: number, count: number): Buffer => {
  const header = Buffer.alloc(5, tag);
  header.writeUInt32BE(count, 1);
  return header;
};
const longAtom = (name: string): Buffer => {
  const text = Buffer.from(name);
  return bytes(118, text.length >> 8, text.length & 255, text);
};
const float = (bits: bigint): Buffer => {
  const float = Buffer.alloc(9, 70);
  float.writeBigUInt64BE(bits, 1);
  return float;
};
const oldFloat = (text: string): Buffer => bytes(99, Buffer.from(text.padEnd(31, '\0')));
const nested = (depth: number): Buffer => bytes(Buffer.alloc(depth * 2, Buffer.of(104, 1)), 106);
const map = (...terms: Buffer[]): Buffer => bytes(header(116, terms.length / 2), ...terms);
const key = (name: string): Buffer => bytes(119, name.length, name);
const binary = (text: string): Buffer => bytes(header(109, text.length), text);
const one = Buffer.of(97, 1);

const rows: readonly (readonly [
  what: string,
  taken: readonly Buffer[],
  refused: readonly Buffer[],
  words: RegExp,
])[] = [
  [
    'the depth of a call (its list is one level)',
    [nested(49)],
    [nested(50)],
    /deeper than 50 levels \(option maxDepth\)/,
  ],
  [
    'the number of terms in a call (its list is one)',
    [bytes(header(108, 98), Buffer.alloc(196, one), 106), bytes(107, 0, 98, Buffer.alloc(98, 7))],
    [bytes(header(108, 99), Buffer.alloc(198, one), 106), bytes(107, 0, 99, Buffer.alloc(99, 7))],
    /more than 100 terms \(option maxTerms\)/,
  ],
  [
    'the length of an atom',
    ['a', 'é', '日', '😀'].map((letter) => longAtom(letter.repeat(255))),
    ['a', 'é', '日', '😀'].map((letter) => longAtom(letter.repeat(256))),
    /more than 255 characters/,
  ],
  [
    'the length of an atom in Latin-1',
    [bytes(100, 0, 255, Buffer.alloc(255, 0xe9)), bytes(115, 255, Buffer.alloc(255, 0xe9))],
    [bytes(100, 1, 0, Buffer.alloc(256, 0xe9)), bytes(100, 0xff, 0xff, Buffer.alloc(65_535, 97))],
    /more than 255 characters/,
  ],
  ['the text of an atom', [longAtom('\u{d7ff}')], [bytes(119, 3, 0xed, 0xa0, 0x80)], /not UTF-8/],
  [
    'the keys of a map',
    [
      map(key('a'), one, key('b'), one),
      map(key('a'), one, binary('a'), one),
      map(one, one, float(0x3ff0000000000000n), one),
      map(bytes(104, 1, one), one, bytes(104, 1, key('a')), one),
    ],
    [
      map(key('a'), one, key('a'), one),
      map(binary('a'), one, binary('b'), one, binary('a'), one),
      map(one, one, Buffer.of(98, 0, 0, 0, 1), one),
      map(bytes(104, 1, one), one, bytes(104, 1, one), one),
      map(key('a'), one, one, one, longAtom('a'), one),
      map(float(0n), one, float(1n << 63n), one),
    ],
    /same key twice/,
  ],
  [
    'compression inside terms',
    [binary('P')],
    [
      bytes(header(80, 103), Buffer.from('789ccb664861a43d0000af6c00d4', 'hex')),
      Buffer.of(80),
      bytes(104, 1, 80, 0, 0, 0, 0),
    ],
    /the term is compressed/,
  ],
  [
    'floats',
    [
      float(0n),
      float(0x7fefffffffffffffn),
      float(0xffefffffffffffffn),
      float(1n),
      oldFloat('1.79769313486231570815e+308'),
      oldFloat('-0.00000000000000000000e+00'),
    ],
    [
      float(0x7ff0000000000000n),
      float(0xfff0000000000000n),
      float(0x7ff8000000000000n),
      float(0x7ff0000000000001n),
      float(0xffffffffffffffffn),
      oldFloat('1.8e308'),
      oldFloat('nan'),
      oldFloat('inf'),
    ],
    /not a finite number/,
  ],
];

const limits = { maxDepth: 50, maxTerms: 100 };
const message = (term: Buffer): Buffer => bytes(131, header(108, 1), term, 106);

for (const [what, taken, refused, words] of rows) {
  for (const terms of ['js', 'exact'] as const) {
    test(`decoding to ${terms} checks ${what}`, (t) => {
      for (const term of taken) t.notThrows(() => decode(message(term), { terms, ...limits }));
      for (const term of refused) {
        const error = t.throws(() => decode(message(term), { terms, ...limits }), {
          instanceOf: TermError,
        });
        t.regex(error!.message, words);
      }
    });
  }

  test(`a call checks ${what}`, async (t) => {
    const server = await serve(t, { echo: { echo: (term: unknown) => [term].length } }, limits);
    const call = async (term: Buffer): Promise<unknown> => {
      const target = '/backwater/1/echo/echo/1';
      const request = signedRequest(secret, { target, body: message(term) });
      const { answers } = await exchangeRaw(server.port, requestBytes(request), 1);
      const { status, headers, body } = answers[0]!;
      const context = { secret, requestId: request.requestId };
      return decodeResponse(context, { status, headers: [...headers], body });
    };
    for (const term of taken) t.is(await call(term), 1);
    for (const term of refused) {
      const error = await t.throwsAsync(call(term), { instanceOf: RemoteError });
      t.is(error!.httpStatus, 400);
      t.is(error!.reason, 'unable_to_decode_arguments');
    }
  });
}

test('both sides apply the default of maxDepth', (t) => {
  t.notThrows(() => decode(bytes(131, nested(1000))));
  t.throws(() => decode(bytes(131, nested(1001))), { instanceOf: TermError });
});

test('atoms may have up to 255 characters of any width', (t) => {
  for (const letter of ['a', 'é', '日', '😀']) {
    const name = letter.repeat(255);
    t.is(decode(encode(atom(name))), atom(name) as never);
    t.throws(() => encode(atom(name + letter)));
  }
});

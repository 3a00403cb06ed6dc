// What those can send who have the secret: messages of 1 MB that are as costly as we could make them, and
// messages that become as large by gunzip.
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { answer, digestOf, request } from './signing.mjs';

const MB = 1_000_000;
/** Of one argument or result. */
const LIMIT = 8 * 1024 * 1024;

/** The bytes of as many elements of a list as make 1 MB, and the list's head and tail. */
function listOf(element, bytes = MB) {
  const elements = [];
  let size = 0;
  for (let index = 0; size < bytes; index++) {
    const next = element(index);
    elements.push(next);
    size += next.length;
  }
  return Buffer.concat([head(108, elements.length), ...elements, NIL]);
}

function mapOf(pair, bytes = MB) {
  const pairs = [];
  let size = 0;
  for (let index = 0; size < bytes; index++) {
    const next = Buffer.concat(pair(index));
    pairs.push(next);
    size += next.length;
  }
  return Buffer.concat([head(116, pairs.length), ...pairs]);
}

function head(tag, length) {
  const bytes = Buffer.alloc(5, tag);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

const NIL = Buffer.of(106);
const latin1 = (text) => Buffer.from(text, 'latin1');
const atom = (text) => Buffer.concat([Buffer.of(119, text.length), latin1(text)]);
const binary = (bytes) => Buffer.concat([head(109, bytes.length), bytes]);
const text = (value) => binary(latin1(value));
const small = (value) => Buffer.of(97, value);
const double = (value) => {
  const bytes = Buffer.alloc(9, 70);
  bytes.writeDoubleBE(value, 1);
  return bytes;
};
const big = (bytes) => Buffer.concat([Buffer.of(110, bytes.length, 0), bytes]);
const name = (index) => index.toString(36).padStart(5, '0');
const nested = (depth) =>
  Buffer.concat([
    ...Array.from({ length: depth }, () => head(108, 1)),
    Buffer.alloc(depth + 1, 106),
  ]);
const repeated = (bytes, size) =>
  Buffer.alloc(Math.floor(size / bytes.length) * bytes.length, bytes);
const emptyLists = (size) => Buffer.concat([head(108, size - 6), Buffer.alloc(size - 5, 106)]);

/** Terms of about 1 MB. */
const terms = {
  'a binary': () => binary(randomBytes(MB)),
  'a text': () => text('x'.repeat(MB)),
  'a text of two-byte characters': () => binary(Buffer.from('é'.repeat(MB / 2))),
  'an integer': () =>
    Buffer.concat([head(111, MB), Buffer.of(0), randomBytes(MB - 1), Buffer.of(1)]),
  'small integers': () => listOf((index) => small(index % 256)),
  doubles: () => listOf((index) => double(index + 0.5)),
  'integers of 8 bytes': () => listOf(() => big(Buffer.concat([randomBytes(7), Buffer.of(255)]))),
  'empty lists': () => emptyLists(MB),
  'empty tuples': () => listOf(() => Buffer.of(104, 0)),
  'tuples of one': () => listOf(() => Buffer.of(104, 1, 97, 1)),
  'empty maps': () => listOf(() => Buffer.of(116, 0, 0, 0, 0)),
  'empty binaries': () => listOf(() => binary(Buffer.alloc(0))),
  'texts of one character': () => listOf((index) => text(String.fromCharCode(97 + (index % 26)))),
  'binaries that are no text': () => listOf(() => binary(Buffer.of(255))),
  'characters (STRING_EXT)': () =>
    listOf(() => Buffer.concat([Buffer.of(107, 255, 255), randomBytes(65_535)])),
  bitstrings: () => listOf(() => Buffer.of(77, 0, 0, 0, 1, 3, 224)),
  'distinct atoms': () => listOf((index) => atom(name(index))),
  'external functions': () =>
    listOf((index) => Buffer.concat([Buffer.of(113), atom(name(index)), atom('f'), small(1)])),
  'process identifiers': () =>
    listOf((index) => Buffer.concat([Buffer.of(88), atom(name(index)), Buffer.alloc(12)])),
  'improper lists': () => listOf(() => Buffer.concat([head(108, 1), small(1), small(2)])),
  'lists nested 900 deep': () => listOf(() => nested(900)),
  'records of one shape': () =>
    listOf((index) =>
      Buffer.concat([
        head(116, 3),
        text('id'),
        small(index % 256),
        text('name'),
        text('x'),
        text('tags'),
        NIL,
      ]),
    ),
  'objects of distinct keys': () =>
    listOf((index) => Buffer.concat([head(116, 1), text(name(index)), small(1)])),
  'objects of 64 distinct keys': () =>
    listOf((index) =>
      Buffer.concat([
        head(116, 64),
        ...Array.from({ length: 64 }, (_, key) => [text(`${name(index)}${key}`), small(1)]).flat(),
      ]),
    ),
  'one object': () => mapOf((index) => [text(name(index)), small(1)]),
  'a map with integers as keys': () =>
    mapOf((index) => [big(Buffer.from([index, index >> 8, index >> 16, 0, 0, 0, 0, 1])), small(1)]),
  'a map with tuples as keys': () =>
    mapOf((index) => [Buffer.concat([Buffer.of(104, 1), text(name(index))]), small(1)]),
};

/** Integers that V8 puts in one bucket of its hash table: refused. */
const colliding = () =>
  mapOf((index) => [
    big(Buffer.from([1, 0, 0, 0, 0, 0, 0, 0, index, index >> 8, index >> 16, 1])),
    small(1),
  ]);

const asArgument = (term) => Buffer.concat([Buffer.of(131), head(108, 1), term, NIL]);
const asResult = (term) => Buffer.concat([latin1('\x83h\x02w\x06return'), term]);
const gzip = (bytes) => gzipSync(bytes, { level: 9 });

/** Bodies that differ from `terms` in more than the value, as arguments and as results. */
const bodies = (wrap) => ({
  'a map with keys that collide': { body: wrap(colliding()) },
  'lists nested 1,100 deep': { body: wrap(listOf(() => nested(1100))) },
  'empty lists, and an error at the end': {
    body: Buffer.concat([wrap(emptyLists(MB)).subarray(0, -1), Buffer.of(0)]),
  },
  'a wrong digest': { body: wrap(emptyLists(MB)), digest: digestOf(Buffer.of(1)) },
  'a compressed term': {
    body: Buffer.concat([Buffer.of(131, 80, 255, 255, 255, 255), randomBytes(MB)]),
  },
  'empty lists, gzipped': { body: wrap(emptyLists(MB)), gzipped: true },
  'a text, gzipped': { body: wrap(text('x'.repeat(MB))), gzipped: true },
  'one byte too many, gzipped': { body: wrap(text('x'.repeat(LIMIT))), gzipped: true },
  '100 MB of zeros, gzipped': { body: Buffer.alloc(100 * MB), gzipped: true },
  'members of gzip': {
    body: repeated(gzip(Buffer.alloc(0)), MB),
    headers: [['content-encoding', 'gzip']],
  },
});

/** A kind whose messages are made once, and signed anew. */
function kind(side, title, { body, gzipped = false, headers = [], ...rest }) {
  const sent = gzipped ? gzip(body) : body;
  const parts = {
    body: sent,
    headers: gzipped ? [['content-encoding', 'gzip']] : headers,
    ...rest,
  };
  return {
    side,
    stage: 'after',
    name: title,
    inflated: gzipped ? Math.min(body.length, LIMIT) : undefined,
    atMost: 64,
    input:
      side === 'server'
        ? () => request({ path: 'm/size/1', ...parts })
        : (requestId) => answer(requestId, parts),
  };
}

function kindsOf(side, wrap) {
  const values = Object.entries(terms).map(([title, make]) =>
    kind(side, title, { body: wrap(make()) }),
  );
  const others = Object.entries(bodies(wrap)).map(([title, parts]) => kind(side, title, parts));
  return [...values, ...others];
}

export const after = [
  {
    side: 'server',
    stage: 'after',
    name: 'a call without arguments',
    base: true,
    input: () => request(),
  },
  ...kindsOf('server', asArgument),
  {
    side: 'client',
    stage: 'after',
    name: 'an atom as result',
    base: true,
    input: (requestId) => answer(requestId),
  },
  ...kindsOf('client', asResult),
];

/** The largest arguments that the defaults allow, on their way to a function. */
export const largestKinds = () => {
  const kinds = {
    'a binary': { body: asArgument(binary(randomBytes(LIMIT - 100))) },
    'a text, gzipped': { body: asArgument(text('x'.repeat(LIMIT - 100))), gzipped: true },
    'records, gzipped': { body: asArgument(listOf(person, LIMIT - 100)), gzipped: true },
    'empty lists, gzipped': { body: asArgument(emptyLists(LIMIT - 100)), gzipped: true },
  };
  return Object.entries(kinds).map(([title, parts]) => ({
    ...kind('server', title, parts),
    smallest: after[0],
    options: { recvTimeout: 120_000 },
  }));
};

function person(index) {
  const entries = [
    text('id'),
    double(index),
    text('name'),
    text(`Person ${index}`),
    text('tags'),
    NIL,
  ];
  return Buffer.concat([head(116, 3), ...entries]);
}

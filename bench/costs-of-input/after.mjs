// What callers with the secret can send: messages of 1 MB, some of them only after gunzip.
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import {
  binary,
  bytes,
  integer,
  list,
  listOf,
  map,
  mapOf,
  nested,
  nil,
  terms,
} from '../hostile-terms/kinds.mjs';
import { answer, digestOf, request } from './signing.mjs';

const MB = 1_000_000;
/** Of one argument or result. */
const LIMIT = 8 * 1024 * 1024;

const emptyLists = listOf(() => nil);
const gzip = (body) => gzipSync(body, { level: 9 });
const gzipped = (body) => ({
  body: gzip(body),
  headers: [['content-encoding', 'gzip']],
  inflated: Math.min(body.length, LIMIT),
});

/** Integers in one bucket of V8's hash table, which the decoder refuses. */
const colliding = mapOf((index) =>
  bytes(
    Buffer.from([110, 12, 0, 1, 0, 0, 0, 0, 0, 0, 0, index, index >> 8, index >> 16, 1]),
    Buffer.from([97, 1]),
  ),
);

const others = (wrap) => ({
  'a map with keys that collide': () => ({ body: wrap(colliding(MB)) }),
  'lists nested 1,100 deep': () => ({ body: wrap(listOf(() => nested(1100))(MB)) }),
  'empty lists, and an error at the end': () => ({
    body: bytes(wrap(emptyLists(MB)).subarray(0, -1), 0),
  }),
  'a wrong digest': () => ({ body: wrap(emptyLists(MB)), digest: digestOf(nil) }),
  'a compressed term': () => ({ body: bytes(131, 80, 255, 255, 255, 255, randomBytes(MB)) }),
  'empty lists, gzipped': () => gzipped(wrap(emptyLists(MB))),
  'a text, gzipped': () => gzipped(wrap(terms['one string'](MB))),
  'one byte too many, gzipped': () => gzipped(wrap(terms['one string'](LIMIT))),
  '100 MB of zeros, gzipped': () => gzipped(Buffer.alloc(100 * MB)),
  'gzip members': () => {
    const member = gzip(Buffer.alloc(0));
    const body = Buffer.alloc(Math.floor(MB / member.length) * member.length, member);
    return { body, headers: [['content-encoding', 'gzip']] };
  },
});

const asArguments = (term) => bytes(131, list(term));
const asResult = (term) => bytes(Buffer.from('\x83h\x02w\x06return', 'latin1'), term);

function kind(side, name, make) {
  let made;
  const parts = () => (made ??= make());
  return {
    side,
    stage: 'after',
    name,
    atMost: 64,
    inflated: () => parts().inflated,
    input:
      side === 'server'
        ? () => request({ path: 'm/size/1', ...parts() })
        : (requestId) => answer(requestId, parts()),
  };
}

const kindsOf = (side, wrap) => [
  ...Object.entries(terms).map(([name, make]) =>
    kind(side, name, () => ({ body: wrap(make(MB)) })),
  ),
  ...Object.entries(others(wrap)).map(([name, make]) => kind(side, name, make)),
];

const smallest = (side, name, input) => ({ side, stage: 'after', name, base: true, input });

export const after = [
  smallest('server', 'a call without arguments', () => request()),
  ...kindsOf('server', asArguments),
  smallest('client', 'an atom as result', (requestId) => answer(requestId)),
  ...kindsOf('client', asResult),
];

/** As large as the defaults allow. */
export function largestKinds() {
  const size = LIMIT - 100;
  const person = (index) => {
    const named = [binary('id'), integer(index), binary('name'), binary(`Person ${index}`)];
    return map(...named, binary('tags'), nil);
  };
  const kinds = {
    'a binary': () => ({ body: asArguments(binary(randomBytes(size))) }),
    'a text, gzipped': () => gzipped(asArguments(terms['one string'](size))),
    'records, gzipped': () => gzipped(asArguments(listOf(person)(size - 100))),
    'empty lists, gzipped': () => gzipped(asArguments(emptyLists(size))),
  };
  return Object.entries(kinds).map(([name, make]) => ({
    ...kind('server', name, make),
    smallest: after[0],
    options: { recvTimeout: 120_000 },
  }));
}

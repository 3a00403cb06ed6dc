import test from 'ava';
import fc from 'fast-check';
import { decode, encode, TermError } from '../src/index.js';
import { bytes, key, leaf, objectOf, text, value } from './support/arbitraries.js';
import { imageOf, same, type ImageOptions } from './support/images.js';
import { hold } from './support/properties.js';

const WAYS: readonly ImageOptions[] = (['js', 'exact'] as const).flatMap((terms) =>
  (['binary', 'atom'] as const).map((objectKeys) => ({ terms, objectKeys })),
);

const roundTrip = (input: unknown, { terms, objectKeys }: ImageOptions): unknown =>
  decode(encode(input, { objectKeys }), { terms });

function freeze(input: unknown): void {
  if (typeof input !== 'object' || input === null || ArrayBuffer.isView(input)) return;
  if (Object.isFrozen(input)) return;
  Object.freeze(input);
  Object.values(input).forEach(freeze);
  if (input instanceof Map) for (const pair of input) pair.forEach(freeze);
}

for (const way of WAYS) {
  test(`a value survives a round trip (terms ${way.terms}, keys ${way.objectKeys})`, (t) => {
    hold(
      fc.property(value, (input) => {
        const image = imageOf(input, way);
        return same(roundTrip(input, way), image);
      }),
    );
    t.pass();
  });
}

test('objects of one shape survive a round trip with values of any types', (t) => {
  const rows = fc.uniqueArray(key, { minLength: 1, maxLength: 8 }).chain((keys) =>
    fc
      .array(fc.array(value, { minLength: keys.length, maxLength: keys.length }), {
        maxLength: 12,
      })
      .map((table) => table.map((row) => objectOf(keys.map((name, index) => [name, row[index]])))),
  );
  hold(
    fc.property(rows, fc.constantFrom(...WAYS), (objects, way) => {
      const images = imageOf(objects, way) as unknown[];
      // Together, separately, and together again once readers and writers are generated.
      return (
        same(roundTrip(objects, way), images) &&
        objects.every((object, index) => same(roundTrip(object, way), images[index])) &&
        same(roundTrip(objects, way), images)
      );
    }),
  );
  t.pass();
});

test('objects with reordered keys survive, message after message', (t) => {
  const messages = fc
    .uniqueArray(key, { minLength: 2, maxLength: 6 })
    .chain((keys) =>
      fc.array(fc.array(fc.tuple(fc.shuffledSubarray(keys), leaf), { maxLength: 4 }), {
        maxLength: 20,
      }),
    )
    .map((list) =>
      list.map((rows) => rows.map(([keys, item]) => objectOf(keys.map((name) => [name, item])))),
    );
  hold(
    fc.property(messages, fc.constantFrom(...WAYS), (list, way) =>
      list.every((message) => same(roundTrip(message, way), imageOf(message, way))),
    ),
  );
  t.pass();
});

test('encoding does not change its input and is deterministic', (t) => {
  hold(
    fc.property(value, fc.constantFrom(...WAYS), (input, { objectKeys }) => {
      const before = imageOf(input, { terms: 'exact', objectKeys });
      const first = encode(input, { objectKeys });
      if (!same(imageOf(input, { terms: 'exact', objectKeys }), before)) return false;
      freeze(input);
      return encode(input, { objectKeys }).equals(first);
    }),
  );
  t.pass();
});

test('exact terms encode to their original bytes', (t) => {
  hold(
    fc.property(value, (input) => {
      const encoded = encode(input);
      return encode(decode(encoded, { terms: 'exact' })).equals(encoded);
    }),
  );
  t.pass();
});

test('nested values decode like outer ones', (t) => {
  hold(
    fc.property(value, value, (first, second) => {
      const [one, two] = decode(encode([first, second])) as unknown[];
      return same(one, decode(encode(first))) && same(two, decode(encode(second)));
    }),
  );
  t.pass();
});

test("text is encoded as UTF-8 from each of V8's representations", (t) => {
  hold(
    fc.property(text, (input) => {
      const copy = Buffer.from(input).toString();
      return (
        encode(input).equals(encode(copy)) && encode(input).subarray(6).equals(Buffer.from(input))
      );
    }),
  );
  t.pass();
});

test('binaries determines how binaries are decoded', (t) => {
  hold(
    fc.property(bytes, (input) => {
      const encoded = encode([input]);
      const [buffer] = decode(encoded, { binaries: 'buffer' }) as [Buffer];
      return Buffer.isBuffer(buffer) && buffer.equals(input);
    }),
  );
  hold(
    fc.property(text, (input) => same(decode(encode([input]), { binaries: 'string' }), [input])),
  );
  t.pass();
});

const damaged = fc
  .tuple(
    value.map((input) => encode(input)),
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), fc.uint8Array({ maxLength: 4 })), {
      maxLength: 3,
    }),
  )
  .map(([encoded, changes]) => {
    let result = encoded;
    for (const [place, cut, put] of changes) {
      const at = 1 + (place % result.length);
      result = Buffer.concat([result.subarray(0, at), put, result.subarray(at + cut)]);
    }
    return result;
  });

const anyBytes = fc.oneof(
  damaged,
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.concat([Buffer.of(131), array])),
);

test('any bytes decode to a term or throw a TermError, and decoding is stable', (t) => {
  hold(
    fc.property(anyBytes, fc.constantFrom('js', 'exact'), (input, terms) => {
      let term: unknown;
      try {
        term = decode(input, { terms });
      } catch (error) {
        return error instanceof TermError;
      }
      const encoded = encode(term);
      return encode(decode(encoded, { terms })).equals(encoded);
    }),
  );
  t.pass();
});

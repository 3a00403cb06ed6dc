import test from 'ava';
import { decode, encode, TermError } from '../src/index.js';
import { canonical, exactValue, readVectors, type TermVector } from './support/vectors.js';

/** Intended differences from OTP 25; see __test__/vectors/README.md. */
const REFUSED_HERE = new Set(['m798', 'COMPRESSED', 'EXPORT_EXT arity 256', 'NEW_REFERENCE 0 ids']);
const EITHER_IS_FINE = new Set([
  'MAP dup -0.0 0.0',
  'BIT_BINARY len 0 bits 0',
  'EXPORT_EXT arity int',
  'NEW_REFERENCE 6 ids',
]);

for (const file of ['named', 'random', 'foreign', 'mutations']) {
  test(`decodes and encodes every line of terms/${file}`, (t) => {
    let compared = 0;
    for (const vector of readVectors<TermVector>(`terms/${file}.jsonl`)) {
      if (EITHER_IS_FINE.has(vector.name)) continue;
      const bytes = Buffer.from(vector.etf, 'base64');
      if (vector.error !== undefined || REFUSED_HERE.has(vector.name)) {
        t.throws(() => decode(bytes, { terms: 'exact' }), { instanceOf: TermError }, vector.name);
      } else {
        compareTerm(
          vector,
          bytes,
          (what) => `${vector.name}: ${what}`,
          (same, what) => (same ? t.pass() : t.fail(what)),
        );
      }
      compared++;
    }
    t.true(compared > 50);
  });
}

function compareTerm(
  vector: TermVector,
  bytes: Buffer,
  name: (what: string) => string,
  check: (same: boolean, what: string) => void,
): void {
  const value = decode(bytes, { terms: 'exact' });
  const isFun = JSON.stringify(vector.term).includes('"fun"');
  if (!isFun) {
    check(canonical(value) === canonical(exactValue(vector.term!)), name('value'));
  }
  const encoded = encode(value);
  if (vector.reencoded === undefined) {
    const own = Buffer.from(vector.etf_minor2 ?? vector.etf, 'base64');
    check(encoded.equals(own), name('encoding'));
  } else if (!isFun) {
    const own = decode(Buffer.from(vector.reencoded, 'base64'), { terms: 'exact' });
    check(canonical(own) === canonical(value), name('re-encoding'));
    check(
      canonical(decode(encoded, { terms: 'exact' })) === canonical(value),
      name('own encoding'),
    );
  }
}

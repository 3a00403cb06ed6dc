// The data that benchmarks work on.
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { atom, tuple } from 'backwater';

const data = (name) =>
  JSON.parse(readFileSync(new URL(`../examples/data/${name}.json`, import.meta.url), 'utf8'));

/** @param {number} count */
export function records(count) {
  return Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    name: `Person Number ${index}`,
    email: `person.${index}@example.com`,
    active: index % 3 !== 0,
    score: index * 1.25 + 0.1,
    tags: ['alpha', 'beta', `t${index % 10}`],
    created: 1_700_000_000_000 + index * 1000,
  }));
}

/** Name → value that JSON, MessagePack and terms can carry alike. */
export const plain = {
  twitter: () => data('twitter'),
  citm: () => data('citm'),
  canada: () => data('canada'),
  '10,000 records': () => records(10_000),
  '20 records': () => records(20),
  '1 record': () => ({
    id: 1,
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    active: true,
    score: 9.5,
  }),
  '100,000 small integers': () => Array.from({ length: 100_000 }, (_, index) => index % 1000),
  'nested 200 deep': () => {
    let value = { leaf: true };
    for (let depth = 0; depth < 200; depth++) value = { depth, value };
    return value;
  },
  'map of 10,000 keys': () =>
    Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, index])),
};

/** Name → [term, what the others get instead]. */
export const special = {
  '1 MB binary': () => {
    const bytes = randomFillSync(Buffer.alloc(1024 * 1024));
    return [bytes, bytes];
  },
  '10,000 tuples': () => [
    Array.from({ length: 10_000 }, (_, index) => tuple(atom('ok'), index, 'x')),
    Array.from({ length: 10_000 }, (_, index) => ['ok', index, 'x']),
  ],
};

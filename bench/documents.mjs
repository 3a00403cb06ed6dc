import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { atom, tuple } from 'backwater';

const data = (name) =>
  JSON.parse(readFileSync(new URL(`../examples/data/${name}.json`, import.meta.url), 'utf8'));

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

/** Terms, and the values that JSON and MessagePack encode instead. */
export const documents = {
  twitter: () => alike(data('twitter')),
  citm: () => alike(data('citm')),
  canada: () => alike(data('canada')),
  '10,000 records': () => alike(records(10_000)),
  '20 records': () => alike(records(20)),
  '1 record': () =>
    alike({
      id: 1,
      name: 'Ada Lovelace',
      email: 'ada@example.com',
      active: true,
      score: 9.5,
    }),
  '100,000 small integers': () =>
    alike(Array.from({ length: 100_000 }, (_, index) => index % 1000)),
  'nested 200 deep': () => {
    let value = { leaf: true };
    for (let depth = 0; depth < 200; depth++) value = { depth, value };
    return alike(value);
  },
  'map of 10,000 keys': () =>
    alike(Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`key${index}`, index]))),
  '1 MB binary': () => alike(randomFillSync(Buffer.alloc(1024 * 1024))),
  '10,000 tuples': () => ({
    term: Array.from({ length: 10_000 }, (_, index) => tuple(atom('ok'), index, 'x')),
    value: Array.from({ length: 10_000 }, (_, index) => ['ok', index, 'x']),
  }),
};

function alike(value) {
  return { term: value, value };
}

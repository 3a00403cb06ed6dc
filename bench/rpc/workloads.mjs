import { randomFillSync } from 'node:crypto';
import { documents, records } from '../documents.mjs';

export const SECRET = 'the secret of the benchmarks, 32+';

const oneRecord = documents['1 record']().term;

/** `form`: for peers that need a schema. Made when needed, because V8's collector visits live objects. */
const workloads = {
  '1 record': () => ({ form: 'record', value: oneRecord }),
  '20 records': () => ({ form: 'records', value: records(20) }),
  '10,000 records': () => ({ form: 'records', value: records(10_000) }),
  '1 MB': () => ({ form: 'binary', value: randomFillSync(Buffer.alloc(1 << 20)) }),
};
const made = new Map();

/** Streams of equal items, by form; `bytes` is the size of an item. */
export const streams = {
  record: { value: oneRecord, count: 2000, bytes: 113 },
  binary: { value: randomFillSync(Buffer.alloc(64 * 1024)), count: 50, bytes: 64 * 1024 },
};

/**
 * The name may also be `1024 bytes`, which are random, or `stream of record`.
 *
 * @returns {{ form: 'record' | 'records' | 'binary', value: unknown }}
 */
export function workloadOf(name) {
  const form = /^stream of (\w+)$/.exec(name)?.[1];
  if (form !== undefined) return { form };
  if (!made.has(name)) {
    const bytes = /^(\d+) bytes$/.exec(name)?.[1];
    const random = () => ({ form: 'binary', value: randomFillSync(Buffer.alloc(Number(bytes))) });
    made.set(name, (bytes === undefined ? workloads[name] : random)());
  }
  return made.get(name);
}

/** How many steps of peers/busy-modules.mjs take a millisecond. */
export function millisecond() {
  let state = 1;
  let most = 0;
  // The fastest of many rounds, since other programs only make them slower.
  for (let round = 0; round < 50; round++) {
    const start = performance.now();
    for (let index = 0; index < 300_000; index++)
      state = (Math.imul(state, 1103515245) + 12345) | 0;
    most = Math.max(most, 300_000 / (performance.now() - start));
  }
  globalThis.sink = state;
  return Math.round(most);
}

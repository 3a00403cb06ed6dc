import { randomFillSync } from 'node:crypto';
import { documents, records } from '../documents.mjs';

export const SECRET = 'the secret of the benchmarks, 32+';

/** `form`: for peers that need a schema. */
const workloads = {
  '1 record': { form: 'record', value: documents['1 record']().term },
  '20 records': { form: 'records', value: records(20) },
  '10,000 records': { form: 'records', value: records(10_000) },
  '1 MB': { form: 'binary', value: randomFillSync(Buffer.alloc(1 << 20)) },
};

/** Streams of equal items, by form; `bytes` is the size of an item. */
export const streams = {
  record: { value: workloads['1 record'].value, count: 2000, bytes: 113 },
  binary: { value: randomFillSync(Buffer.alloc(64 * 1024)), count: 50, bytes: 64 * 1024 },
};

/** The name may also be `1024 bytes`, which are random, or `stream of record`. */
export function workloadOf(name) {
  const form = /^stream of (\w+)$/.exec(name)?.[1];
  if (form !== undefined) return { form };
  const bytes = /^(\d+) bytes$/.exec(name)?.[1];
  if (bytes === undefined) return workloads[name];
  made.set(name, made.get(name) ?? randomFillSync(Buffer.alloc(Number(bytes))));
  return { form: 'binary', value: made.get(name) };
}
const made = new Map();

/** How many steps of peers/busy-modules.mjs take a millisecond. */
export function millisecond() {
  let state = 1;
  let most = 0;
  // Other programs only make rounds slower.
  for (let round = 0; round < 50; round++) {
    const start = performance.now();
    for (let index = 0; index < 300_000; index++)
      state = (Math.imul(state, 1103515245) + 12345) | 0;
    most = Math.max(most, 300_000 / (performance.now() - start));
  }
  globalThis.sink = state;
  return Math.round(most);
}

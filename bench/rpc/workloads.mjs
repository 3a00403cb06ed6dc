// What is sent there and back.
import { randomFillSync } from 'node:crypto';
import { documents, records } from '../documents.mjs';

/** The secret of all peers that sign. */
export const SECRET = 'the secret of the benchmarks, 32+';

/**
 * `form` says what the value is: for peers that need a schema.
 *
 * @type {Record<string, { form: 'record' | 'records' | 'binary', value: unknown, inFlight: number[] }>}
 */
export const workloads = {
  '1 record': { form: 'record', value: documents['1 record']().term, inFlight: [1, 16, 64, 256] },
  '20 records': { form: 'records', value: records(20), inFlight: [64] },
  '10,000 records': { form: 'records', value: records(10_000), inFlight: [4] },
  '1 MB binary': { form: 'binary', value: randomFillSync(Buffer.alloc(1 << 20)), inFlight: [4] },
};

/** A workload by its name, which may also be a number of random bytes, such as `1024 bytes`. */
export function workloadOf(name) {
  const bytes = /^(\d+) bytes$/.exec(name)?.[1];
  if (bytes === undefined) return workloads[name];
  made.set(name, made.get(name) ?? randomFillSync(Buffer.alloc(Number(bytes))));
  return { form: 'binary', value: made.get(name) };
}
const made = new Map();

/** With `--full` each workload has all of these. */
export const ALL_IN_FLIGHT = [1, 16, 64, 256];

/** How many steps of the loop in peers/busy-modules.mjs take a millisecond of CPU on this machine. */
export function millisecond() {
  let state = 1;
  let most = 0;
  // The fastest of many, since other programs only ever make it slower.
  for (let round = 0; round < 50; round++) {
    const start = performance.now();
    for (let index = 0; index < 300_000; index++)
      state = (Math.imul(state, 1103515245) + 12345) | 0;
    most = Math.max(most, 300_000 / (performance.now() - start));
  }
  globalThis.sink = state;
  return Math.round(most);
}

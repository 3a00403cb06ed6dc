// What is sent there and back.
import { randomFillSync } from 'node:crypto';
import { plain, records } from '../documents.mjs';

/** The secret of all peers that sign. */
export const SECRET = 'the secret of the benchmarks, 32+';

/**
 * `form` says what the value is: for peers that need a schema.
 *
 * @type {Record<string, { form: 'record' | 'records' | 'binary', value: unknown, inFlight: number[] }>}
 */
export const workloads = {
  '1 record': { form: 'record', value: plain['1 record'](), inFlight: [1, 16, 64, 256] },
  '20 records': { form: 'records', value: records(20), inFlight: [64] },
  '10,000 records': { form: 'records', value: records(10_000), inFlight: [4] },
  '1 MB binary': { form: 'binary', value: randomFillSync(Buffer.alloc(1 << 20)), inFlight: [4] },
};

/** A message of which one is sent beside many small ones; it is in no table of its own. */
export const EIGHT_MEGABYTES = { form: 'binary', value: randomFillSync(Buffer.alloc(8_000_000)) };

/** With `--full` each workload has all of these. */
export const ALL_IN_FLIGHT = [1, 16, 64, 256];

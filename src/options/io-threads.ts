import cluster from 'node:cluster';
import process from 'node:process';
import { OptionError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';

const VARIABLE = 'BACKWATER_IO_THREADS';
export const MAX_IO_THREADS = 64;

/**
 * The environment variable, or 1 in the workers of `node:cluster`. Otherwise, the addon counts the cores,
 * because `os.availableParallelism` of Node 20 ignores a container's CPU limit.
 */
export function defaultIoThreads(): number | undefined {
  const text = process.env[VARIABLE];
  if (text === undefined || text === '') return cluster.isWorker ? 1 : undefined;
  const count = Number(text);
  if (/^\d{1,2}$/.test(text) && count >= 1 && count <= MAX_IO_THREADS) return count;
  throw new OptionError(
    `the environment variable ${VARIABLE} takes an integer from 1 to ${MAX_IO_THREADS}, ` +
      `not ${inspectBriefly(text, 100)}`,
    { option: VARIABLE },
  );
}

import { OptionError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';

/** The environment variable that says how many I/O threads there are when no option does. */
const VARIABLE = 'BACKWATER_IO_THREADS';
export const MAX_IO_THREADS = 64;

/**
 * How many I/O threads the process is to have where no option says so: one, or what the environment
 * variable says.
 *
 * @throws {@link OptionError} when the variable is no such number
 */
export function defaultIoThreads(): number {
  const text = process.env[VARIABLE];
  if (text === undefined || text === '') return 1;
  const count = Number(text);
  if (/^\d{1,2}$/.test(text) && count >= 1 && count <= MAX_IO_THREADS) return count;
  throw new OptionError(
    `the environment variable ${VARIABLE} takes an integer from 1 to ${MAX_IO_THREADS}, ` +
      `not ${inspectBriefly(text, 100)}`,
    { option: VARIABLE },
  );
}

import { readFileSync } from 'node:fs';
import { UsageError } from './usage-error.js';

/** What stdin was read as, if it was. */
let stdinIs: string | undefined;

/**
 * The bytes of a file, or of stdin if the path is `-`.
 *
 * @param what names the content in messages, such as `the secret`
 * @throws {@link UsageError} if it cannot be read, or if stdin was read before: a secret must not end up as an
 * argument
 */
export function readInput(path: string, what: string): Buffer {
  if (path === '-') {
    if (stdinIs !== undefined) {
      throw new UsageError(
        `stdin can be read only once: it is ${stdinIs} already, so read ${what} from a file`,
      );
    }
    stdinIs = what;
  }
  try {
    return readFileSync(path === '-' ? 0 : path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const name = path === '-' ? 'stdin' : path;
    const reason = code === 'EISDIR' ? `${name} is a directory` : message;
    throw new UsageError(`cannot read ${what}: ${reason}`, { cause });
  }
}

/**
 * The text of a file, or of stdin if the path is `-`, without a byte order mark.
 *
 * @throws {@link UsageError} if it cannot be read or is not UTF-8
 */
export function readText(path: string, what: string): string {
  const bytes = readInput(path, what);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const name = path === '-' ? 'stdin' : path;
    throw new UsageError(`cannot read ${what}: ${name} is not UTF-8 text`, { cause });
  }
}

import { readFileSync } from 'node:fs';
import { UsageError } from './usage-error.js';

/** What stdin has been read as, if it has. */
let stdinIs: string | undefined;

/**
 * The bytes of a file, or of stdin when the path is `-`.
 *
 * @param what what is read, such as `the secret`, for messages
 * @throws {@link UsageError} when it cannot be read, and when stdin has been read as something else: what
 * is a secret for one flag must not become an argument
 */
export function readInput(path: string, what: string): Buffer {
  if (path === '-') {
    if (stdinIs !== undefined) {
      throw new UsageError(`stdin can be read once: it is ${stdinIs}, and cannot be ${what} too`);
    }
    stdinIs = what;
  }
  try {
    return readFileSync(path === '-' ? 0 : path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const name = path === '-' ? 'stdin' : path;
    const reason = code === 'EISDIR' ? `${name} is a folder` : message;
    throw new UsageError(`${what} cannot be read: ${reason}`, { cause });
  }
}

/**
 * The text of a file, or of stdin when the path is `-`, without a byte order mark.
 *
 * @throws {@link UsageError} also when it is no UTF-8: characters would be lost
 */
export function readText(path: string, what: string): string {
  const bytes = readInput(path, what);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const name = path === '-' ? 'stdin' : path;
    throw new UsageError(`${what} cannot be read: ${name} is no text in UTF-8`, { cause });
  }
}

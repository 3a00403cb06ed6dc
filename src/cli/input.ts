import { readFileSync } from 'node:fs';
import { UsageError } from './usage-error.js';

let stdinIs: string | undefined;

/**
 * Reads a file, or stdin if the path is `-`. Reading stdin twice fails, since a secret must not
 * become an argument.
 */
export function readInput(path: string, what: string): Buffer {
  if (path === '-') {
    if (stdinIs !== undefined) {
      throw new UsageError(
        `stdin can be read only once: it already holds ${stdinIs}, so read ${what} from a file`,
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

/** Without a byte order mark. */
export function readText(path: string, what: string): string {
  const bytes = readInput(path, what);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const name = path === '-' ? 'stdin' : path;
    throw new UsageError(`cannot read ${what}: ${name} is not UTF-8 text`, { cause });
  }
}

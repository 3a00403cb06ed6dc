import { type BackwaterErrorCode, isBackwaterError, TermError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { isError } from '../platform/realms.js';
import { UsageError } from './usage-error.js';

export const EXIT = {
  ok: 0,
  exception: 1,
  usage: 2,
  refused: 3,
  connect: 4,
  timeout: 5,
  authentication: 6,
  response: 7,
  addon: 8,
  internal: 70,
} as const;

export const EXIT_MEANINGS: Readonly<Record<(typeof EXIT)[keyof typeof EXIT], string>> = {
  [EXIT.ok]: 'success',
  [EXIT.exception]: 'the function raised an exception',
  [EXIT.usage]: 'wrong command line, argument, file or secret, or output that cannot be written',
  [EXIT.refused]: 'the server refused the call, for example because the function does not exist',
  [EXIT.connect]: 'no connection, or the connection broke',
  [EXIT.timeout]: 'timeout',
  [EXIT.authentication]: 'the answer is not authentic: usually, the secrets differ',
  [EXIT.response]:
    'the answer is authentic but cannot be read, or the input of decode is not a term',
  [EXIT.addon]:
    'the native addon cannot be loaded, for example because this platform has no binary',
  [EXIT.internal]: 'a bug in this program: please report it with the output of --verbose',
};

const STATUS: Readonly<Partial<Record<BackwaterErrorCode, number>>> = {
  ERR_BACKWATER_OPTION: EXIT.usage,
  ERR_BACKWATER_REMOTE_EXCEPTION: EXIT.exception,
  ERR_BACKWATER_REMOTE: EXIT.refused,
  ERR_BACKWATER_TIMEOUT: EXIT.timeout,
  ERR_BACKWATER_CONNECT: EXIT.connect,
  ERR_BACKWATER_TLS: EXIT.connect,
  ERR_BACKWATER_LISTEN: EXIT.connect,
  EACCES: EXIT.connect,
  EADDRINUSE: EXIT.connect,
  EADDRNOTAVAIL: EXIT.connect,
  ERR_BACKWATER_CONNECTION_LOST: EXIT.connect,
  ERR_BACKWATER_STREAM: EXIT.connect,
  ERR_BACKWATER_CLOSED: EXIT.connect,
  ERR_BACKWATER_QUEUE_FULL: EXIT.connect,
  ERR_BACKWATER_RESPONSE_AUTHENTICATION: EXIT.authentication,
};

export function statusOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  // Only values that cannot be encoded have a path.
  if (error instanceof TermError && error.path !== undefined) return EXIT.usage;
  if (isBackwaterError(error)) return STATUS[error.code] ?? EXIT.response;
  if (!isError(error)) return EXIT.internal;
  if ('code' in error && error.code === 'ERR_BACKWATER_NATIVE') return EXIT.addon;
  // Only errors of the system have a `syscall`.
  return 'syscall' in error ? EXIT.usage : EXIT.internal;
}

export function messageOf(error: unknown, verbose: boolean): string {
  if (!isError(error)) return inspectBriefly(error);
  if (verbose && error.stack !== undefined) {
    const cause = isError(error.cause) ? `\ncaused by: ${error.cause.stack}` : '';
    return error.stack + cause;
  }
  return error.message.replaceAll('\n', ' ');
}

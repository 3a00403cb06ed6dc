import {
  BackwaterError,
  ClosedError,
  ConnectError,
  ConnectionLostError,
  ListenError,
  OptionError,
  QueueFullError,
  RemoteError,
  RemoteException,
  ResponseAuthenticationError,
  StreamError,
  TermError,
  TimeoutError,
} from '../errors/errors.js';
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

export function statusOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof OptionError) return EXIT.usage;
  if (error instanceof RemoteException) return EXIT.exception;
  if (error instanceof RemoteError) return EXIT.refused;
  if (error instanceof TimeoutError) return EXIT.timeout;
  if (error instanceof ConnectError || error instanceof ListenError) return EXIT.connect;
  if (error instanceof ConnectionLostError || error instanceof StreamError) return EXIT.connect;
  if (error instanceof ClosedError) return EXIT.connect;
  if (error instanceof QueueFullError) return EXIT.connect;
  if (error instanceof ResponseAuthenticationError) return EXIT.authentication;
  // Only values that cannot be encoded have a path.
  if (error instanceof TermError && error.path === undefined) return EXIT.response;
  if (error instanceof TermError) return EXIT.usage;
  if (codeOf(error) === 'ERR_BACKWATER_NATIVE') return EXIT.addon;
  if (isSystemError(error)) return EXIT.usage;
  return error instanceof BackwaterError ? EXIT.response : EXIT.internal;
}

function codeOf(error: unknown): unknown {
  return isError(error) && 'code' in error ? error.code : undefined;
}

function isSystemError(error: unknown): boolean {
  return isError(error) && 'syscall' in error;
}

export function messageOf(error: unknown, verbose: boolean): string {
  if (!isError(error)) return inspectBriefly(error);
  if (verbose && error.stack !== undefined) {
    const cause = isError(error.cause) ? `\ncaused by: ${error.cause.stack}` : '';
    return error.stack + cause;
  }
  return error.message.replaceAll('\n', ' ');
}

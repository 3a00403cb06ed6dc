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
  TermError,
  TimeoutError,
} from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { isError } from '../platform/realms.js';
import { UsageError } from './usage-error.js';

/** What the program ends with; docs/cli.md has the table. */
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

/** The exit status for a failure. */
export function statusOf(error: unknown): number {
  if (error instanceof UsageError || error instanceof OptionError) return EXIT.usage;
  if (error instanceof RemoteException) return EXIT.exception;
  if (error instanceof RemoteError) return EXIT.refused;
  if (error instanceof TimeoutError) return EXIT.timeout;
  if (error instanceof ConnectError || error instanceof ListenError) return EXIT.connect;
  if (error instanceof ConnectionLostError || error instanceof ClosedError) return EXIT.connect;
  if (error instanceof QueueFullError) return EXIT.connect;
  if (error instanceof ResponseAuthenticationError) return EXIT.authentication;
  // Arguments are read by this program: what they are not is the user's to know.
  if (error instanceof TermError && error.path === undefined) return EXIT.response;
  if (error instanceof TermError) return EXIT.usage;
  if (codeOf(error) === 'ERR_BACKWATER_NATIVE') return EXIT.addon;
  if (isSystemError(error)) return EXIT.usage;
  return error instanceof BackwaterError ? EXIT.response : EXIT.internal;
}

function codeOf(error: unknown): unknown {
  return isError(error) && 'code' in error ? error.code : undefined;
}

/** A file that is not there, say. */
function isSystemError(error: unknown): boolean {
  return isError(error) && 'syscall' in error;
}

/** What went wrong, in a sentence; with `verbose` with the stack. */
export function messageOf(error: unknown, verbose: boolean): string {
  if (!isError(error)) return inspectBriefly(error);
  if (verbose && error.stack !== undefined) {
    const cause = isError(error.cause) ? `\ncaused by: ${error.cause.stack}` : '';
    return error.stack + cause;
  }
  return error.message.replaceAll('\n', ' ');
}

import {
  isBackwaterError,
  type RemoteError,
  type ResponseAuthenticationError,
  type TimeoutError,
} from './errors.js';

/** Options of {@link isRetryable}. */
export interface RetryOptions {
  /**
   * Whether calling the function twice does the same as calling it once.
   *
   * @defaultValue false
   */
  readonly idempotent?: boolean | undefined;
}

/** Servers and proxies that are overloaded, draining or restarting. */
const UNAVAILABLE: readonly number[] = [502, 503, 504];

/** Refused before the function started, for a reason that may be temporary. */
const NOT_BEGUN: readonly number[] = [408, 503, 504];

const BEFORE_SENDING: readonly string[] = ['queued', 'resolve', 'connect', 'tls'];

/**
 * Whether a failed call may be made again: its function was certainly not called, or is idempotent, and the
 * reason may be temporary. Wait before each retry, and limit their number. See
 * [Retries](https://github.com/backwater-rpc/backwater-node/blob/main/docs/retries.md).
 *
 * @param error the reason of a rejected call; other values are not retryable
 */
export function isRetryable(error: unknown, options?: RetryOptions): boolean {
  if (!isBackwaterError(error)) return false;
  const idempotent = options?.idempotent === true;
  switch (error.code) {
    case 'ERR_BACKWATER_CONNECT':
    case 'ERR_BACKWATER_TLS':
    case 'ERR_BACKWATER_QUEUE_FULL':
      return true;
    case 'ERR_BACKWATER_TIMEOUT':
      return isRetryableTimeout(error as TimeoutError, idempotent);
    case 'ERR_BACKWATER_CONNECTION_LOST':
    case 'ERR_BACKWATER_STREAM':
      return idempotent;
    case 'ERR_BACKWATER_REMOTE': {
      const { httpStatus } = error as RemoteError;
      return NOT_BEGUN.includes(httpStatus) || (idempotent && httpStatus === 500);
    }
    case 'ERR_BACKWATER_RESPONSE_AUTHENTICATION': {
      // The answer may be forged, but a retry is harmless.
      const { unverified } = error as ResponseAuthenticationError;
      return idempotent && unverified !== undefined && UNAVAILABLE.includes(unverified.status);
    }
    default:
      return false;
  }
}

function isRetryableTimeout({ option, phase }: TimeoutError, idempotent: boolean): boolean {
  // A deadline does not move.
  if (option === 'deadline' || option === 'parent') return false;
  return idempotent || BEFORE_SENDING.includes(phase);
}

import {
  isBackwaterError,
  type RemoteError,
  type ResponseAuthenticationError,
  type TimeoutError,
} from './errors.js';

/** What {@link isRetryable} needs to know of the call. */
export interface RetryOptions {
  /** Whether calling the function twice does the same as calling it once; false by default. */
  readonly idempotent?: boolean | undefined;
}

/** Statuses of servers and proxies that are overloaded, draining or restarting. */
const UNAVAILABLE: readonly number[] = [502, 503, 504];

/** The server refused the call before its function began, for a reason that passes. */
const NOT_BEGUN: readonly number[] = [408, 503, 504];

/** The phases before the request is sent. */
const BEFORE_SENDING: readonly string[] = ['queued', 'resolve', 'connect', 'tls'];

/**
 * Whether a failed call may be made again: its function was certainly not called, and the reason may pass. The
 * table [May I retry?](https://github.com/backwater-rpc/backwater-node/blob/main/docs/errors.md#may-i-retry)
 * has the answer for each error. For an idempotent function it is also true for errors after which nobody
 * knows whether the function was called.
 *
 * Wait before each retry, and limit how many there are.
 *
 * @param error whatever a call has rejected with; false for what is not an error of this library
 * @example
 * ```ts
 * import { setTimeout } from 'node:timers/promises';
 * import { isRetryable } from 'backwater';
 * async function retried<T>(call: () => Promise<T>): Promise<T> {
 *   for (let attempt = 1; ; attempt++) {
 *     try {
 *       return await call();
 *     } catch (error) {
 *       if (attempt === 3 || !isRetryable(error)) throw error;
 *       await setTimeout(100 * 2 ** attempt * Math.random());
 *     }
 *   }
 * }
 * ```
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
      return idempotent;
    case 'ERR_BACKWATER_REMOTE': {
      const { httpStatus } = error as RemoteError;
      return NOT_BEGUN.includes(httpStatus) || (idempotent && httpStatus === 500);
    }
    case 'ERR_BACKWATER_RESPONSE_AUTHENTICATION': {
      // A proxy's answer, or a forged one, which causes no more than what the caller allows.
      const { unverified } = error as ResponseAuthenticationError;
      return idempotent && unverified !== undefined && UNAVAILABLE.includes(unverified.status);
    }
    default:
      return false;
  }
}

function isRetryableTimeout({ option, phase }: TimeoutError, idempotent: boolean): boolean {
  // A deadline that has passed stays so.
  if (option === 'deadline' || option === 'parent') return false;
  return idempotent || BEFORE_SENDING.includes(phase);
}

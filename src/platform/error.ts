import { defineError } from './brands.js';
import { ownProperties } from './own-properties.js';
import { messageOf } from './realms.js';

/** The codes of a {@link ListenError}, as in Node's servers. */
export type ListenErrorCode = 'EACCES' | 'EADDRINUSE' | 'EADDRNOTAVAIL' | 'ERR_BACKWATER_LISTEN';

/** The codes of this library's errors, one for each class. They are the same in all versions. */
export type BackwaterErrorCode =
  | ListenErrorCode
  | 'ERR_BACKWATER_UNKNOWN'
  | 'ERR_BACKWATER_CONNECT'
  | 'ERR_BACKWATER_CONNECTION_LOST'
  | 'ERR_BACKWATER_TLS'
  | 'ERR_BACKWATER_TIMEOUT'
  | 'ERR_BACKWATER_QUEUE_FULL'
  | 'ERR_BACKWATER_REMOTE'
  | 'ERR_BACKWATER_REMOTE_EXCEPTION'
  | 'ERR_BACKWATER_RESPONSE_AUTHENTICATION'
  | 'ERR_BACKWATER_RESPONSE'
  | 'ERR_BACKWATER_STREAM'
  | 'ERR_BACKWATER_SIZE'
  | 'ERR_BACKWATER_TERM'
  | 'ERR_BACKWATER_OPTION'
  | 'ERR_BACKWATER_CLOSED';

/**
 * The base class of all errors of this library. `ERR_BACKWATER_UNKNOWN` is the code of errors without
 * a class of their own.
 *
 * @example
 * ```ts
 * import { BackwaterError, call } from 'backwater';
 * const target = { url: '127.0.0.1:8080', secret: 'at least 32 bytes of random data' };
 * try {
 *   await call(target, 'string', 'to_upper', ['hello']);
 * } catch (error) {
 *   if (error instanceof BackwaterError && error.code === 'ERR_BACKWATER_TIMEOUT') console.log('slow');
 *   else throw error;
 * }
 * ```
 */
export class BackwaterError extends Error {
  /** The kind of error, the same in all versions. */
  readonly code: BackwaterErrorCode = 'ERR_BACKWATER_UNKNOWN';
  /** The identifier of the call's last request, if sent: {@link CallContext.requestId} on the server. */
  declare readonly requestId?: string;

  static {
    defineError(this, 'BackwaterError');
  }

  constructor(message?: string, options?: ErrorOptions) {
    super(message, ownProperties(options));
  }

  /** Returns a BackwaterError as it is, and wraps other values as its `cause`. */
  static from(reason: unknown): BackwaterError {
    if (isBackwaterError(reason)) return reason;
    return new BackwaterError(messageOf(reason), { cause: reason });
  }
}

/**
 * Whether a value is an error of this library, or of another copy of it in the process. `instanceof` gives the
 * same answer for each class.
 */
export function isBackwaterError(value: unknown): value is BackwaterError {
  return value instanceof BackwaterError;
}

/** Keeps `util.inspect` short. */
export function assignDefined(target: object, fields: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) {
      Object.defineProperty(target, name, {
        __proto__: null,
        value,
        enumerable: true,
        configurable: true,
      } as PropertyDescriptor);
    }
  }
}

import { URL } from 'node:url';
import { types } from 'node:util';
import { attempt, inspectBriefly } from './inspect.js';
import { prototypesOf } from './own-properties.js';

// Recognizes built-in objects of any realm, such as a `vm` context or jsdom. `instanceof` recognizes only
// objects of this realm.

/** No function written in JavaScript has this source text. */
const NATIVE_ERROR = /^function Error\(\)\s*\{\s*\[native code\]\s*\}$/;
export function isError(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null) return false;
  return types.isNativeError(value) || attempt(() => inheritsFromError(value)) === true;
}

function inheritsFromError(value: object): boolean {
  for (const each of prototypesOf(value)) {
    if (each !== value && isErrorPrototype(each)) return true;
  }
  return false;
}

/** The message of an error, or another thrown value in one line. */
export function messageOf(thrown: unknown, maxLength?: number): string {
  const message = attempt(() => (isError(thrown) ? thrown.message : undefined));
  return typeof message === 'string' ? message : inspectBriefly(thrown, maxLength);
}

function isErrorPrototype(object: object): boolean {
  const constructor: unknown = Object.getOwnPropertyDescriptor(object, 'constructor')?.value;
  return (
    typeof constructor === 'function' &&
    constructor.prototype === object &&
    NATIVE_ERROR.test(Function.prototype.toString.call(constructor))
  );
}

export function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

/** Follows the rule of Node's own `fs` and `http`. */
export function isUrl(value: unknown): value is URL {
  if (typeof value !== 'object' || value === null) return false;
  const found = attempt(() => {
    const { href, protocol, auth, path } = value as Record<string, unknown>;
    // Objects of the legacy `url.parse` have `auth` and `path` too.
    return (
      typeof href === 'string' &&
      typeof protocol === 'string' &&
      auth === undefined &&
      path === undefined
    );
  });
  return found === true;
}

/** An AbortSignal of any realm or polyfill. */
export interface AbortSignalLike {
  /** Whether it has aborted. */
  readonly aborted: boolean;
  /** Why it has aborted. */
  readonly reason?: unknown;
  /** Registers a listener. */
  addEventListener(type: 'abort', listener: () => void): void;
  /** Removes a listener. */
  removeEventListener(type: 'abort', listener: () => void): void;
}

export function isAbortSignal(value: unknown): value is AbortSignalLike {
  if (typeof value !== 'object' || value === null) return false;
  const found = attempt(() => {
    const { aborted, addEventListener, removeEventListener } = value as Record<string, unknown>;
    return (
      typeof aborted === 'boolean' &&
      typeof addEventListener === 'function' &&
      typeof removeEventListener === 'function'
    );
  });
  return found === true;
}

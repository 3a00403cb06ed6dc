import type { Reviver } from '../codec/revivers.js';
import type { Encoder } from '../terms/index.js';
import { arrayEncoders, arrayReviver } from './arrays.js';
import { dateEncoder, dateReviver } from './dates.js';
import { errorEncoder, errorReviver } from './errors.js';
import { setEncoder, setReviver } from './sets.js';
import { urlEncoder, urlReviver } from './urls.js';

/** Options of a client, a server, a call, `encode` or `decode`. */
export interface JavaScriptHooks {
  /** Turns the tuples of `encoders` back into values. */
  readonly revivers: readonly Reviver[];
  /** Turns values into tuples. */
  readonly encoders: readonly Encoder[];
}

const hooks: JavaScriptHooks = Object.freeze({
  revivers: Object.freeze([dateReviver, setReviver, urlReviver, errorReviver, arrayReviver]),
  encoders: Object.freeze([dateEncoder, setEncoder, urlEncoder, errorEncoder, ...arrayEncoders]),
});

/**
 * Hooks for JavaScript's own values between Node services, to spread into the options of both
 * sides: `Date`, `Set`, `URL`, `Error` with `cause`, `code`, `data` and `errors`, `ArrayBuffer`,
 * `DataView` and typed arrays. A `Uint8Array` arrives as a `Buffer`. For Elixir, use `elixir()` of
 * `backwater/elixir` instead.
 *
 * @example
 * ```ts run
 * import { decode, encode } from 'backwater';
 * import { javascript } from 'backwater/hooks';
 * const bytes = encode({ at: new Date(0), ids: new Set([1, 2]) }, javascript());
 * console.log(decode(bytes, javascript())); // { at: 1970-01-01T00:00:00.000Z, ids: Set(2) { 1, 2 } }
 * ```
 */
export function javascript(): JavaScriptHooks {
  return hooks;
}

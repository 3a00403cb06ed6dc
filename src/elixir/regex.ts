import { attempt } from '../platform/inspect.js';
import { Atom } from '../terms/index.js';
import type { Fields } from './struct.js';

/** Letters up to Elixir 1.16, atoms since then. */
const FLAGS: ReadonlyMap<string, string> = new Map([
  ['i', 'i'],
  ['m', 'm'],
  ['s', 's'],
  ['u', ''],
  ['caseless', 'i'],
  ['multiline', 'm'],
  ['dotall', 's'],
  ['unicode', ''],
  ['ucp', ''],
]);
/** Longer sources stay structs. V8 takes quadratic time for a class of many characters. */
const MAX_SOURCE = 1000;
/** So do sources with more property escapes such as `\p{L}`. V8 takes up to 200 µs for each. */
const MAX_PROPERTIES = 4;

/**
 * Undefined if JavaScript cannot read the source or lacks an option. The flag `u` refuses most of what PCRE
 * reads differently, such as `\A`, but not `[]a]`, whose first `]` is a member for PCRE.
 */
export function regexOf({ source, opts }: Fields): RegExp | undefined {
  if (typeof source !== 'string' || source.length > MAX_SOURCE) return undefined;
  if ((source.match(/\\p/gi) ?? []).length > MAX_PROPERTIES) return undefined;
  const names = typeof opts === 'string' ? Array.from(opts) : opts;
  if (!Array.isArray(names) || names.length > FLAGS.size) return undefined;
  if (/\[\^?\]/.test(source)) return undefined;
  const flags = names.map((name: unknown) =>
    FLAGS.get((name instanceof Atom ? name.name : name) as string),
  );
  if (flags.includes(undefined)) return undefined;
  return attempt(() => new RegExp(source, [...new Set(flags), 'u'].join('')));
}

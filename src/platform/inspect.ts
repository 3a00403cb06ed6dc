import { inspect, types } from 'node:util';

/** Longest text that {@link inspectBriefly} gives, in UTF-16 units. */
const MAX_LENGTH = 1000;
/** How deep to print values. */
const MAX_DEPTH = 2;
/** How many items of an array, a Map or a Set to print. */
const MAX_ITEMS = 16;

/** Where an error within the value comes from: that is nothing to put into a message. */
const FRAMES = /\n[ \t]+at [^\n]*/g;

/**
 * A line about any value, for messages: bounded in depth and length, without the stacks of errors in
 * it, and safe with values whose getters, traps or printers throw.
 */
export function inspectBriefly(value: unknown, maxLength = MAX_LENGTH): string {
  if (attempt(() => hasLargeInteger(value, 0)) === true) {
    return `${typeof value === 'bigint' ? 'a bigint' : 'an object with a bigint'} of thousands of digits`;
  }
  const text = attempt(() =>
    inspect(value, {
      depth: MAX_DEPTH,
      breakLength: Infinity,
      compact: true,
      maxArrayLength: MAX_ITEMS,
      maxStringLength: maxLength,
    }),
  );
  return truncate(text?.replace(FRAMES, '') ?? `an uninspectable ${typeof value}`, maxLength);
}

/** Larger integers, of some 5,000 digits, are not printed: V8 takes seconds for an integer of a megabyte. */
const MAX_INTEGER = 1n << 16384n;

/** Whether `util.inspect` would print such an integer. */
function hasLargeInteger(value: unknown, depth: number): boolean {
  if (typeof value === 'bigint') return value > MAX_INTEGER || value < -MAX_INTEGER;
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return false;
  return shownParts(value).some((part) => hasLargeInteger(part, depth + 1));
}

/** The values within an object that `inspect` prints, without running getters or traps. */
function shownParts(value: object): unknown[] {
  if (types.isProxy(value) || ArrayBuffer.isView(value)) return [];
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS);
  if (types.isMap(value)) return Array.from(value).slice(0, MAX_ITEMS).flat();
  if (types.isSet(value)) return Array.from(value).slice(0, MAX_ITEMS);
  return Object.keys(value).map(
    (key): unknown => Object.getOwnPropertyDescriptor(value, key)?.value,
  );
}

/** A host and a port as they stand in a URL. */
export function addressText(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The result of `read`, or undefined if it throws: for untrusted values. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Well-formed text of at most `maxLength` UTF-16 units, with an ellipsis where it was cut. */
export function truncate(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text.toWellFormed();
  let end = maxLength - 1;
  // Not through the middle of a surrogate pair.
  if (isHighSurrogate(text.charCodeAt(end - 1))) end--;
  return `${text.slice(0, end).toWellFormed()}…`;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

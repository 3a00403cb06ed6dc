import { inspect, types } from 'node:util';

/** In UTF-16 units. */
const MAX_LENGTH = 1000;
const MAX_DEPTH = 2;
const MAX_ITEMS = 16;

const FRAMES = /\n[ \t]+at [^\n]*/g;

/**
 * One line about any value, for messages. Omits the stacks of errors, and survives getters, traps and
 * printers that throw.
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

/** About 5,000 digits. V8 takes seconds to print an integer of a megabyte. */
const MAX_INTEGER = 1n << 16384n;

function hasLargeInteger(value: unknown, depth: number): boolean {
  if (typeof value === 'bigint') return value > MAX_INTEGER || value < -MAX_INTEGER;
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return false;
  return shownParts(value).some((part) => hasLargeInteger(part, depth + 1));
}

/** Runs no getters or traps. */
function shownParts(value: object): unknown[] {
  if (types.isProxy(value) || ArrayBuffer.isView(value)) return [];
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS);
  if (types.isMap(value)) return Array.from(value).slice(0, MAX_ITEMS).flat();
  if (types.isSet(value)) return Array.from(value).slice(0, MAX_ITEMS);
  return Object.keys(value).map(
    (key): unknown => Object.getOwnPropertyDescriptor(value, key)?.value,
  );
}

export function addressText(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** For untrusted values: undefined if `read` throws. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** @param maxLength in UTF-16 units */
export function truncate(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text.toWellFormed();
  let end = maxLength - 1;
  // Does not split a surrogate pair.
  if (isHighSurrogate(text.charCodeAt(end - 1))) end--;
  return `${text.slice(0, end).toWellFormed()}…`;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

import { inspect } from 'node:util';

/** Longest text that {@link inspectBriefly} gives, in UTF-16 units. */
const MAX_LENGTH = 1000;

/** Where an error within the value comes from: that is nothing to put into a message. */
const FRAMES = /\n[ \t]+at [^\n]*/g;

/**
 * A line about any value, for messages: bounded in depth and length, without the stacks of errors in
 * it, and safe with values whose getters, traps or printers throw.
 */
export function inspectBriefly(value: unknown, maxLength = MAX_LENGTH): string {
  if (typeof value === 'bigint') return truncate(`${integerText(value, '0x')}n`, maxLength);
  const text = attempt(() =>
    inspect(value, {
      depth: 2,
      breakLength: Infinity,
      compact: true,
      maxArrayLength: 16,
      maxStringLength: maxLength,
    }),
  );
  return truncate(text?.replace(FRAMES, '') ?? `an uninspectable ${typeof value}`, maxLength);
}

/** Larger integers, of some 5000 digits, are written in hexadecimal. */
const MAX_DECIMAL = 1n << 16384n;

/**
 * An integer as text. V8 takes seconds for the decimal digits of an integer of a megabyte, whereas the time for
 * hexadecimal ones grows only with their number.
 *
 * @param hexPrefix what the language has before hexadecimal digits
 */
export function integerText(value: bigint, hexPrefix: string): string {
  if (value < MAX_DECIMAL && value > -MAX_DECIMAL) return value.toString();
  const digits = value.toString(16);
  return digits.startsWith('-') ? `-${hexPrefix}${digits.slice(1)}` : hexPrefix + digits;
}

/** The result of `read`, or undefined when it throws: for values that nobody vouches for. */
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

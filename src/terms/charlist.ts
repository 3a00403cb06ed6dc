import { TermError } from './term-error.js';
import { inspectBriefly } from '../platform/inspect.js';

/**
 * Turns text into an Erlang string, a list of code points. Plain strings become Elixir strings,
 * which are binaries.
 *
 * @throws {@link TermError} if the text has a lone surrogate
 */
export function charlist(text: string): number[] {
  if (typeof text !== 'string' || !text.isWellFormed()) {
    throw new TermError('charlist takes a string without lone surrogates');
  }
  return Array.from(text, (character) => character.codePointAt(0)!);
}

/**
 * The inverse of {@link charlist}.
 *
 * @throws {@link TermError} if it is not a list of Unicode scalar values
 * @example
 * ```ts
 * import { charlistToString } from 'backwater';
 * charlistToString([104, 105]); // 'hi'
 * ```
 */
export function charlistToString(list: unknown): string {
  if (!Array.isArray(list)) {
    throw new TermError(
      `a charlist must be a list of code points, not ${inspectBriefly(list, 100)}`,
    );
  }
  const parts: string[] = [];
  list.forEach((point: unknown, index) => {
    const valid =
      typeof point === 'number' &&
      Number.isInteger(point) &&
      point >= 0 &&
      point <= 0x10ffff &&
      (point < 0xd800 || point > 0xdfff);
    if (!valid)
      throw new TermError(
        `item ${index} is not a Unicode code point: ${inspectBriefly(point, 100)}`,
      );
    parts.push(String.fromCodePoint(point));
  });
  return parts.join('');
}

import { TermError } from '../errors.js';

/**
 * The text as Erlang's own strings are: a list of code points. Plain JavaScript strings are sent as
 * binaries, which is what Elixir calls strings; functions of Erlang's `string` module take either.
 *
 * @throws {@link TermError} when the text has a lone surrogate
 */
export function charlist(text: string): number[] {
  if (typeof text !== 'string' || !text.isWellFormed()) {
    throw new TermError('charlist takes a string without lone surrogates');
  }
  return Array.from(text, (character) => character.codePointAt(0)!);
}

/**
 * The text of a list of code points, the inverse of {@link charlist}.
 *
 * @throws {@link TermError} when an item is not a Unicode scalar value
 */
export function charlistToString(list: readonly unknown[]): string {
  const parts: string[] = [];
  list.forEach((point, index) => {
    const valid =
      typeof point === 'number' &&
      Number.isInteger(point) &&
      point >= 0 &&
      point <= 0x10ffff &&
      (point < 0xd800 || point > 0xdfff);
    if (!valid) throw new TermError(`item ${index} is not a Unicode code point: ${String(point)}`);
    parts.push(String.fromCodePoint(point));
  });
  return parts.join('');
}

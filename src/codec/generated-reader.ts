import { INT, TEXT8 } from '../terms/tape.js';
import type { TapeCursor } from './tape-cursor.js';

/** Makes an object of the values that come next in a tape. */
export type ObjectReader = (at: TapeCursor) => Record<string, unknown>;

/** Whether this process allows code from strings. */
let isAllowed = true;

/**
 * A function that makes objects with these keys by a literal, which is several times faster than assigning
 * them, and reads small integers and text without a call. Undefined where the process forbids code from
 * strings.
 *
 * Keys are data: they are quoted by JSON.stringify, and `__proto__` is computed, so that it is a key like any
 * other.
 */
export function generateReader(keys: readonly string[]): ObjectReader | undefined {
  if (!isAllowed) return undefined;
  const reads = keys.map(
    (_, index) =>
      `let v${index};head=words[at.word];` +
      `if((head&15)===${INT}){at.word++;v${index}=(head|0)>>4}` +
      `else if((head&15)===${TEXT8}){at.word++;start=at.at8;v${index}=at.text8.substring(start,at.at8=start+(head>>>4))}` +
      `else v${index}=at.read();`,
  );
  const literal = keys.map((key, index) =>
    key === '__proto__' ? `["__proto__"]:v${index}` : `${JSON.stringify(key)}:v${index}`,
  );
  const code = `let head,start;const{words}=at;${reads.join('')}return{${literal.join(',')}}`;
  try {
    return new Function('at', code) as ObjectReader;
  } catch {
    isAllowed = false;
    return undefined;
  }
}

import { INT, TEXT8 } from './tape.js';

/** A place in a tape: the values that come next. Generated code uses the fields of `TapeCursor` besides. */
export interface ValueSource {
  read(): unknown;
}

/** Makes an object of the values that come next in a tape. */
export type ObjectReader = (at: ValueSource) => Record<string, unknown>;

/** Reads the string that comes next. */
const TEXT = '(at.word++,start=at.at8,at.text8.substring(start,at.at8=start+(head>>>4)))';

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
  const values = keys.map((key) => {
    const name = key === '__proto__' ? '["__proto__"]' : JSON.stringify(key);
    return `${name}:((head=words[at.word])&15)===${INT}?(at.word++,(head|0)>>4):(head&15)===${TEXT8}?${TEXT}:at.read()`;
  });
  const code = `let head,start;const{words}=at;return{${values.join(',')}}`;
  try {
    return new Function('at', code) as ObjectReader;
  } catch {
    isAllowed = false;
    return undefined;
  }
}

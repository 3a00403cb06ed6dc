import { randomUUID } from 'node:crypto';

const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Turns integers that a number cannot hold exactly into bigints. */
export function parseJson(text: string): unknown {
  const value = JSON.parse(text) as unknown;
  const mark = randomUUID();
  let marked = false;
  const plain = text.replace(TOKENS, (token) => {
    if (!/^-?\d+$/.test(token) || Number.isSafeInteger(Number(token))) return token;
    marked = true;
    return `"${mark}${token}"`;
  });
  if (!marked) return value;
  return JSON.parse(plain, (_key, part: unknown) =>
    typeof part === 'string' && part.startsWith(mark) ? BigInt(part.slice(mark.length)) : part,
  ) as unknown;
}

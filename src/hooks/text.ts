import { Buffer } from 'node:buffer';
import { types } from 'node:util';

/** The text of a binary, which is a Buffer with `binaries: 'buffer'`. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return types.isUint8Array(value) ? Buffer.from(value).toString() : undefined;
}

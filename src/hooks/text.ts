import { Buffer, isUtf8 } from 'node:buffer';
import { types } from 'node:util';

/** With `binaries: 'buffer'`, text is a Buffer. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return types.isUint8Array(value) && isUtf8(value) ? Buffer.from(value).toString() : undefined;
}

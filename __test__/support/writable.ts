import type fc from 'fast-check';
import {
  Atom,
  decode,
  encode,
  ExternalFunction,
  Fun,
  ImproperList,
  Pid,
  Port,
  Reference,
} from '../../src/index.js';
import { value } from './arbitraries.js';

export function isWritable(term: unknown): boolean {
  if (term instanceof Atom) return !/[\ufffe\uffff]/.test(term.name);
  if (term instanceof ExternalFunction) return isWritable(term.module) && isWritable(term.function);
  for (const kind of [Pid, Port, Reference, Fun]) if (term instanceof kind) return false;
  if (Array.isArray(term)) return term.every(isWritable);
  if (term instanceof ImproperList) return term.items.every(isWritable) && isWritable(term.tail);
  if (term instanceof Map) return Array.from(term).flat().every(isWritable);
  return true;
}

export const writable: fc.Arbitrary<unknown> = value.filter((term) =>
  isWritable(decode(encode(term), { terms: 'exact' })),
);

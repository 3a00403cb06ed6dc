import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Atom,
  atom,
  BitString,
  ExternalFunction,
  Float,
  Fun,
  ImproperList,
  isTuple,
  Pid,
  Port,
  Reference,
  tuple,
} from '../../src/index.js';
import { projectRoot } from './root.js';

export type VectorTerm =
  | { int: string }
  | { float: string }
  | { atom: string }
  | { bin: string }
  | { bits: [string, number] }
  | { tuple: VectorTerm[] }
  | { list: VectorTerm[]; tail?: VectorTerm }
  | { repeat: [VectorTerm, number] }
  | { map: [VectorTerm, VectorTerm][] }
  | { pid: { node: string; id: number; serial: number; creation: number } }
  | { port: { node: string; id: number | string; creation: number } }
  | { ref: { node: string; creation: number; ids: number[] } }
  | { extfun: [string, string, number] }
  | { fun: string };

export interface TermVector {
  name: string;
  etf: string;
  etf_minor2?: string;
  term?: VectorTerm;
  error?: string;
  used?: number;
  reencoded?: string;
  note?: string;
}

export const root = projectRoot();

export function readVectors<T>(file: string): T[] {
  const text = readFileSync(join(root, '__test__', 'vectors', file), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64');

function doubleOf(hex: string): number {
  return Buffer.from(hex, 'hex').readDoubleBE();
}

/** Closures stay, because their encodings are compared. */
export function exactValue(term: VectorTerm): unknown {
  if ('int' in term) {
    const big = BigInt(term.int);
    return Number.isSafeInteger(Number(big)) && BigInt(Number(big)) === big ? Number(big) : big;
  }
  if ('float' in term) return new Float(doubleOf(term.float));
  if ('atom' in term) return atom(term.atom);
  if ('bin' in term) return bytes(term.bin);
  if ('bits' in term) return new BitString(bytes(term.bits[0]), term.bits[1]);
  if ('tuple' in term) return tuple(...term.tuple.map(exactValue));
  if ('list' in term) {
    const items = term.list.map(exactValue);
    return term.tail === undefined ? items : new ImproperList(items, exactValue(term.tail));
  }
  if ('repeat' in term)
    return Array.from({ length: term.repeat[1] }, () => exactValue(term.repeat[0]));
  if ('map' in term) return new Map(term.map.map(([k, v]) => [exactValue(k), exactValue(v)]));
  if ('pid' in term) {
    const { node, id, serial, creation } = term.pid;
    return new Pid(atom(node), id, serial, creation);
  }
  if ('port' in term)
    return new Port(atom(term.port.node), BigInt(term.port.id), term.port.creation);
  if ('ref' in term) return new Reference(atom(term.ref.node), term.ref.creation, term.ref.ids);
  if ('extfun' in term) {
    return new ExternalFunction(atom(term.extfun[0]), atom(term.extfun[1]), term.extfun[2]);
  }
  return { fun: term.fun };
}

/** Returns the same text for the same term, regardless of the order in maps. */
export function canonical(value: unknown): string {
  const parts: string[] = [];
  // An explicit stack, because some vectors are nested thousands deep.
  const work: (string | { value: unknown })[] = [{ value }];
  while (work.length > 0) {
    const next = work.pop()!;
    if (typeof next === 'string') parts.push(next);
    else for (const part of canonicalParts(next.value).reverse()) work.push(part);
  }
  return parts.join('');
}

function canonicalParts(value: unknown): (string | { value: unknown })[] {
  const inside = (values: readonly unknown[]): (string | { value: unknown })[] =>
    values.flatMap((item) => [{ value: item }, ',']);
  if (Array.isArray(value)) return [isTuple(value) ? '{' : '[', ...inside(value), ']'];
  if (value instanceof Map) {
    if (value.size === 1) {
      const [[key, item]] = value as unknown as [[unknown, unknown]];
      return ['#{', { value: key }, '=>', { value: item }, '}'];
    }
    const pairs = Array.from(value, ([k, v]) => `${canonical(k)}=>${canonical(v)}`);
    return [`#{${pairs.sort().join(',')}}`];
  }
  if (value instanceof ImproperList)
    return ['[', ...inside(value.items), '|', { value: value.tail }, ']'];
  if (value instanceof Uint8Array) return [`<<${Buffer.from(value).toString('hex')}>>`];
  if (value instanceof BitString) return [`<<${value.bytes.toString('hex')}:${value.bits}>>`];
  if (value instanceof Float) {
    const double = Buffer.alloc(8);
    double.writeDoubleBE(value.value);
    return [`float:${double.toString('hex')}`];
  }
  if (value instanceof Atom) return [`atom:${JSON.stringify(value.name)}`];
  if (value instanceof Pid) return [`${value}/${value.creation}`];
  if (value instanceof Port) return [`${value}/${value.creation}`];
  if (value instanceof Reference) return [`${value}/${value.creation}`];
  if (value instanceof ExternalFunction) return [String(value)];
  if (value instanceof Fun) return [String(value)];
  if (typeof value === 'number' || typeof value === 'bigint') return [`int:${value}`];
  throw new Error(`not an exact value: ${String(value)}`);
}

import { isUtf8 } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
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

export interface ImageOptions {
  readonly terms: 'js' | 'exact';
  readonly objectKeys: 'binary' | 'atom';
}

/** Returns what decoding the encoding of `value` must give, by the documented tables alone. */
export function imageOf(value: unknown, options: ImageOptions): unknown {
  return options.terms === 'exact' ? exactImage(value, options) : plainImage(value, options);
}

function plainImage(value: unknown, options: ImageOptions): unknown {
  if (typeof value === 'bigint') return safeNumber(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Float) return value.value;
  if (value instanceof Atom) return constantOf(value);
  if (value instanceof Uint8Array) {
    return isUtf8(value) ? Buffer.from(value).toString() : Buffer.from(value);
  }
  if (value instanceof Map) return plainMapImage(value, options);
  return containerImage(value, options) ?? plainObjectImage(value, options);
}

function plainObjectImage(value: object, options: ImageOptions): object {
  const pairs = Object.entries(value).map(([key, item]) => [key, plainImage(item, options)]);
  return Object.fromEntries(pairs) as object;
}

function plainMapImage(map: Map<unknown, unknown>, options: ImageOptions): unknown {
  const pairs = Array.from(map, ([key, item]) => ({
    key: plainImage(key, options),
    name: nameOf(key),
    item: plainImage(item, options),
  }));
  const kinds = new Set(pairs.map(({ name }) => name?.kind));
  if (kinds.size === 0 || (kinds.size === 1 && !kinds.has(undefined))) {
    return Object.fromEntries(pairs.map(({ name, item }) => [name!.text, item]));
  }
  return new Map(pairs.map(({ key, item }) => [key, item]));
}

/** Undefined if the key is neither atom nor text. */
function nameOf(key: unknown): { kind: 'atom' | 'text'; text: string } | undefined {
  if (key instanceof Atom) return { kind: 'atom', text: key.name };
  if (key === null) return { kind: 'atom', text: 'nil' };
  if (key === undefined || typeof key === 'boolean') return { kind: 'atom', text: String(key) };
  if (typeof key === 'string') return { kind: 'text', text: key };
  if (!(key instanceof Uint8Array) || !isUtf8(key)) return undefined;
  return { kind: 'text', text: Buffer.from(key).toString() };
}

function exactImage(value: unknown, options: ImageOptions): unknown {
  switch (typeof value) {
    case 'string':
      return Buffer.from(value);
    case 'bigint':
      return safeNumber(value);
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : new Float(value);
    case 'boolean':
    case 'undefined':
      return atom(String(value));
    default:
      return value === null ? atom('nil') : exactObjectImage(value as object, options);
  }
}

function exactObjectImage(value: object, options: ImageOptions): unknown {
  if (value instanceof Atom || value instanceof Float) return value;
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (value instanceof Map) {
    return new Map(Array.from(value, (pair) => pair.map((x) => exactImage(x, options)) as never));
  }
  const container = containerImage(value, options);
  if (container !== undefined) return container;
  const keyOf = (key: string): unknown =>
    options.objectKeys === 'atom' ? atom(key) : Buffer.from(key);
  const pairs = Object.entries(value);
  return new Map(pairs.map(([key, item]) => [keyOf(key), exactImage(item, options)]));
}

function containerImage(value: object, options: ImageOptions): unknown {
  const image = (item: unknown): unknown => imageOf(item, options);
  if (Array.isArray(value)) {
    const items = Array.from(value as unknown[], image);
    return isTuple(value) ? tuple(...items) : items;
  }
  if (value instanceof ImproperList) {
    return new ImproperList(value.items.map(image), image(value.tail));
  }
  return isOpaque(value) ? value : undefined;
}

function isOpaque(value: object): boolean {
  return [BitString, Pid, Port, Reference, Fun, ExternalFunction].some(
    (kind) => value instanceof kind,
  );
}

function safeNumber(value: bigint): number | bigint {
  return BigInt.asIntN(54, value) === value && value !== -(2n ** 53n) ? Number(value) : value;
}

function constantOf(value: Atom): unknown {
  const constants: Record<string, unknown> = { true: true, false: false, nil: null };
  if (value.name === 'undefined') return undefined;
  return Object.hasOwn(constants, value.name) ? constants[value.name] : value;
}

/**
 * Compares everything that a program can see: prototypes, -0, holes, the order of keys, closures.
 */
export function same(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) && isDeepStrictEqual(unseen(a), unseen(b));
}

/** Lists what deep equality ignores. */
function unseen(value: unknown, found: unknown[] = []): unknown[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return found;
  if (value instanceof Fun) {
    found.push(value.parts);
    unseen(value.parts, found);
  } else if (value instanceof Map) {
    found.push(value.size);
  } else {
    if (!Array.isArray(value)) found.push(Object.keys(value));
    for (const part of Object.values(value)) unseen(part, found);
  }
  return found;
}

import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import type { TupleReviver } from '../codec/revivers.js';
import { Atom, atom, type Encoder, tuple, type Tuple } from '../terms/index.js';

const TAG = '$array';
const ARRAY = atom(TAG);
const BUFFER = 'ArrayBuffer';

const TypedArray = Object.getPrototypeOf(Int8Array) as abstract new () => ArrayBufferView;
/** An internal slot, because class names of subclasses and other realms may differ. */
const kindOf = Object.getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag)!.get as (
  this: unknown,
) => string;

type Constructor = new (buffer: ArrayBuffer) => object;

/** All supported platforms are little-endian. */
const CONSTRUCTORS: ReadonlyMap<string, readonly [Constructor, size: number]> = new Map(
  [
    'Int8Array',
    'Uint8Array',
    'Uint8ClampedArray',
    'Int16Array',
    'Uint16Array',
    'Int32Array',
    'Uint32Array',
    'Float16Array',
    'Float32Array',
    'Float64Array',
    'BigInt64Array',
    'BigUint64Array',
    'DataView',
  ].flatMap((name) => {
    const found = (globalThis as Record<string, unknown>)[name];
    if (typeof found !== 'function') return [];
    const { BYTES_PER_ELEMENT: size = 1 } = found as { readonly BYTES_PER_ELEMENT?: number };
    return [[name, [found as Constructor, size]] as const];
  }),
);

/** `{'$array', Kind, Bytes}`, little-endian. */
export const arrayEncoders: readonly Encoder[] = [
  {
    class: TypedArray,
    toTerm: (view: ArrayBufferView) => arrayTerm(kindOf.call(view), view),
  },
  { class: DataView, toTerm: (view: DataView) => arrayTerm('DataView', view) },
  { class: ArrayBuffer, toTerm: (buffer: ArrayBuffer) => arrayTerm(BUFFER, buffer) },
];

function arrayTerm(kind: string, value: ArrayBufferView | ArrayBuffer): Tuple {
  const bytes = ArrayBuffer.isView(value)
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : new Uint8Array(value);
  return tuple(ARRAY, atom(kind), bytes);
}

export const arrayReviver: TupleReviver = {
  tag: TAG,
  length: 3,
  revive(term) {
    const [, kind, content] = term as readonly unknown[];
    const bytes = bytesOf(content);
    if (bytes === undefined || !(kind instanceof Atom)) return term;
    if (kind.name === BUFFER) return bytes.buffer;
    const [constructor, size] = CONSTRUCTORS.get(kind.name) ?? [];
    if (constructor === undefined || bytes.length % size! !== 0) return term;
    return new constructor(bytes.buffer);
  },
};

/** Unmarked bytes may have become text. */
function bytesOf(content: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (typeof content === 'string') return new Uint8Array(Buffer.from(content));
  return types.isUint8Array(content) ? new Uint8Array(content) : undefined;
}

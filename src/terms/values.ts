import { types } from 'node:util';
import type { inspect } from 'node:util';
import { brand, defineHidden } from '../platform/brands.js';
import { byteLength, copyBytes } from '../platform/bytes.js';
import { TermError } from './term-error.js';
import { Atom } from './atom.js';
import { TERM, type TermKind } from './brands.js';
import { inspectCall, inspectSymbol, type PrinterOptions } from './inspect.js';
import { isMarked, type TupleMark } from './tuple.js';

/** A decoded term, or a value to encode. */
export type Term =
  | number
  | bigint
  | string
  | boolean
  | null
  | undefined
  | Atom
  | Float
  | Uint8Array
  | BitString
  | (readonly Term[] & TupleMark)
  | readonly Term[]
  | ImproperList
  | Pid
  | Port
  | Reference
  | Fun
  | ExternalFunction
  | NativeRecord
  | ReadonlyMap<Term, Term>
  | { readonly [key: string]: Term };

/** A double, even if it is integral: `float(1)` is Erlang's `1.0`. */
export class Float {
  /** Finite. */
  readonly value: number;

  /** @throws {@link TermError} if `value` is not a finite number */
  constructor(value: number) {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      throw new TermError(`a float must be a finite number, not ${String(value)}`);
    }
    this.value = value;
    Object.freeze(this);
  }

  /** For arithmetic and comparison. */
  valueOf(): number {
    return this.value;
  }

  /** With a point, as in Erlang and Elixir. */
  toString(): string {
    return floatText(this.value);
  }

  toJSON(): number {
    return this.value;
  }

  [inspectSymbol](_depth: number | null, options: PrinterOptions): string {
    return options.stylize(`float(${Object.is(this.value, -0) ? '-0' : this.value})`, 'number');
  }
}

/** @internal The shortest text that Erlang and Elixir read as the same double. */
export function floatText(value: number): string {
  const [digits = '', exponent] = (Object.is(value, -0) ? '-0' : String(value)).split('e');
  const mantissa = digits.includes('.') ? digits : `${digits}.0`;
  return exponent === undefined ? mantissa : `${mantissa}e${exponent.replace('+', '')}`;
}

/** A {@link Float}, to send an integral number as a double. */
export function float(value: number): Float {
  return new Float(value);
}

/** Bits whose number is not a multiple of eight. */
export class BitString {
  /** At least one byte; the unused low bits of the last byte are zero. */
  readonly bytes: Buffer;
  /** How many high bits of the last byte are used: 1 to 7. */
  readonly bits: number;

  /** @throws {@link TermError} if there is no byte, or `bits` is not 1 to 7 */
  constructor(bytes: Uint8Array, bits: number) {
    if (!types.isUint8Array(bytes) || byteLength(bytes) === 0) {
      throw new TermError('a bit string needs a Uint8Array of at least one byte');
    }
    if (!Number.isInteger(bits) || bits < 1 || bits > 7) {
      throw new TermError(
        `a bit string must use 1 to 7 bits of its last byte, not ${String(bits)}`,
      );
    }
    this.bytes = copyBytes(bytes);
    const last = this.bytes.length - 1;
    this.bytes[last] = this.bytes[last]! & (0xff << (8 - bits));
    this.bits = bits;
    Object.freeze(this);
  }

  [inspectSymbol](depth: number | null, options: PrinterOptions, print: typeof inspect): string {
    return inspectCall(this, 'new BitString', [this.bytes, this.bits], depth, options, print);
  }
}

/** A list that does not end with the empty list: `[a, b | tail]`. */
export class ImproperList {
  /** At least one item. */
  readonly items: readonly Term[];
  /** Not a list. */
  readonly tail: Term;

  /** @throws {@link TermError} if there is no item, or the tail is a list */
  constructor(items: readonly unknown[], tail: unknown) {
    if (!Array.isArray(items) || items.length === 0) {
      throw new TermError('an improper list needs an array of at least one item');
    }
    if (tail instanceof ImproperList || (Array.isArray(tail) && !isMarked(tail))) {
      throw new TermError(
        'the tail of an improper list must not be a list; append its items to the others',
      );
    }
    this.items = items as readonly Term[];
    this.tail = tail as Term;
    Object.freeze(this);
  }

  [inspectSymbol](depth: number | null, options: PrinterOptions, print: typeof inspect): string {
    return inspectCall(this, 'new ImproperList', [this.items, this.tail], depth, options, print);
  }
}

/** A process identifier, meaningful only to its Erlang node. */
export class Pid {
  constructor(
    /** Its node. */
    readonly node: Atom,
    /** 32 bits. */
    readonly id: number,
    /** 32 bits. */
    readonly serial: number,
    /** The node's incarnation, 32 bits. */
    readonly creation: number,
  ) {
    checkNode(node, 'Pid');
    checkUint32('Pid', { id, serial, creation });
    Object.freeze(this);
  }

  toString(): string {
    return `#Pid<${this.node.name}.${this.id}.${this.serial}>`;
  }

  [inspectSymbol](depth: number | null, options: PrinterOptions, print: typeof inspect): string {
    const fields = [this.node, this.id, this.serial, this.creation];
    return inspectCall(this, 'new Pid', fields, depth, options, print);
  }
}

/** A port of an Erlang node. */
export class Port {
  constructor(
    /** Its node. */
    readonly node: Atom,
    /** 64 bits. */
    readonly id: bigint,
    /** The node's incarnation, 32 bits. */
    readonly creation: number,
  ) {
    checkNode(node, 'Port');
    if (typeof id !== 'bigint' || id < 0n || id >= 1n << 64n) {
      throw new TermError('the id of a Port must be a 64-bit bigint');
    }
    checkUint32('Port', { creation });
    Object.freeze(this);
  }

  toString(): string {
    return `#Port<${this.node.name}.${this.id}>`;
  }

  [inspectSymbol](depth: number | null, options: PrinterOptions, print: typeof inspect): string {
    const fields = [this.node, this.id, this.creation];
    return inspectCall(this, 'new Port', fields, depth, options, print);
  }
}

/** A unique reference made by an Erlang node. */
export class Reference {
  constructor(
    /** Its node. */
    readonly node: Atom,
    /** The node's incarnation, 32 bits. */
    readonly creation: number,
    /** One to five 32-bit numbers. */
    readonly ids: readonly number[],
  ) {
    checkNode(node, 'Reference');
    if (!Array.isArray(ids) || ids.length < 1 || ids.length > 5) {
      throw new TermError('a Reference needs an array of 1 to 5 ids');
    }
    checkUint32('Reference', { creation, ...ids });
    this.ids = Object.freeze(ids.slice());
    Object.freeze(this);
  }

  toString(): string {
    return `#Ref<${this.node.name}.${this.ids.join('.')}>`;
  }

  [inspectSymbol](depth: number | null, options: PrinterOptions, print: typeof inspect): string {
    const fields = [this.node, this.creation, this.ids];
    return inspectCall(this, 'new Reference', fields, depth, options, print);
  }
}

/** `fun Module:Function/Arity`. */
export class ExternalFunction {
  /** Its module. */
  readonly module: Atom;
  /** Its name. */
  readonly function: Atom;
  /** 0 to 255. */
  readonly arity: number;

  /** @throws {@link TermError} if a part is not an atom, or the arity is not 0 to 255 */
  constructor(module: Atom, name: Atom, arity: number) {
    if (!(module instanceof Atom) || !(name instanceof Atom)) {
      throw new TermError('module and function of an ExternalFunction must be atoms');
    }
    checkArity(arity, 'an ExternalFunction');
    this.module = module;
    this.function = name;
    this.arity = arity;
    Object.freeze(this);
  }

  toString(): string {
    return `fun ${this.module.name}:${this.function.name}/${this.arity}`;
  }

  [inspectSymbol](depth: number | null, options: PrinterOptions, print: typeof inspect): string {
    const fields = [this.module, this.function, this.arity];
    return inspectCall(this, 'new ExternalFunction', fields, depth, options, print);
  }
}

/** A native record of OTP 29 (`-record #point{…}`), opaque to older releases. */
export class NativeRecord {
  /** Its module. */
  readonly module: Atom;
  /** Its name. */
  readonly name: Atom;
  /** Whether the module exports it. */
  readonly exported: boolean;
  /** In the order of the definition. */
  readonly fields: ReadonlyMap<Atom, Term>;

  /** @throws {@link TermError} if module, name or a field name is not an atom */
  constructor(module: Atom, name: Atom, fields: ReadonlyMap<Atom, Term>, exported = true) {
    const areAtoms = [module, name, ...fields.keys()].every((part) => part instanceof Atom);
    if (!areAtoms || typeof exported !== 'boolean') {
      throw new TermError('module, name and field names of a NativeRecord must be atoms');
    }
    this.module = module;
    this.name = name;
    this.exported = exported;
    this.fields = fields;
    Object.freeze(this);
  }

  [inspectSymbol](depth: number | null, options: PrinterOptions, print: typeof inspect): string {
    const fields = [this.module, this.name, this.fields, this.exported];
    return inspectCall(this, 'new NativeRecord', fields, depth, options, print);
  }
}

export interface FunParts {
  readonly module: Atom;
  readonly arity: number;
  /** Identifies the compiled module in 16 bytes. */
  readonly uniq: Buffer;
  readonly index: number;
  readonly oldIndex: unknown;
  readonly oldUniq: unknown;
  readonly pid: unknown;
  /** In exact form. */
  readonly free: readonly unknown[];
}

/** A closure of an Erlang node, to keep and send back. */
export class Fun {
  /** @internal */
  readonly parts: FunParts;

  /** @internal */
  constructor(parts: FunParts) {
    checkArity(parts.arity, 'a Fun');
    this.parts = Object.freeze(parts);
    defineHidden(this, 'parts', parts);
    Object.freeze(this);
  }

  /** The module that made it. */
  get module(): Atom {
    return this.parts.module;
  }

  /** How many arguments it takes. */
  get arity(): number {
    return this.parts.arity;
  }

  toString(): string {
    return `#Fun<${this.parts.module.name}.${this.parts.index}/${this.parts.arity}>`;
  }

  [inspectSymbol](_depth: number | null, options: PrinterOptions): string {
    return options.stylize(this.toString(), 'special');
  }
}

const CLASSES = {
  float: Float,
  bit_string: BitString,
  improper_list: ImproperList,
  pid: Pid,
  port: Port,
  reference: Reference,
  external_function: ExternalFunction,
  native_record: NativeRecord,
  fun: Fun,
} satisfies Record<Exclude<TermKind, 'atom'>, unknown>;
for (const [kind, constructor] of Object.entries(CLASSES)) brand(constructor, TERM, kind);

function checkNode(node: unknown, what: string): void {
  if (!(node instanceof Atom)) throw new TermError(`the node of a ${what} must be an atom`);
}

function checkArity(arity: unknown, what: string): void {
  if (typeof arity !== 'number' || !Number.isInteger(arity) || arity < 0 || arity > 255) {
    throw new TermError(
      `the arity of ${what} must be an integer from 0 to 255, not ${String(arity)}`,
    );
  }
}

function checkUint32(what: string, fields: Record<string, unknown>): void {
  for (const [field, value] of Object.entries(fields)) {
    if (typeof value !== 'number' || value >>> 0 !== value) {
      throw new TermError(`${field} of a ${what} must be a 32-bit integer, not ${String(value)}`);
    }
  }
}

import { isUtf8 } from 'node:buffer';
import { inspectBriefly } from '../inspect.js';
import {
  Atom,
  BitString,
  ExternalFunction,
  Float,
  Fun,
  ImproperList,
  isTuple,
  Pid,
  Port,
  Reference,
} from '../terms/index.js';
import { floatText } from '../terms/values.js';

/** A part of a printed term: text, or a term to be printed in that place. */
export type Piece = string | Nested;

/** A term in a sequence of pieces. */
export class Nested {
  readonly term: unknown;

  constructor(term: unknown) {
    this.term = term;
  }
}

/** Bounds for terms that are only to be shown; without, they are printed to the end. */
export interface Bounds {
  /** No more of a term is looked at than is needed for so many UTF-16 units. */
  readonly maxLength: number;
  /** What is nested deeper is shown as `...`. */
  readonly maxDepth: number;
}

const NONE: Bounds = { maxLength: Infinity, maxDepth: Infinity };

/** How many bytes of a binary are shown where there are bounds. */
const MAX_BYTES = 32;

/**
 * A term in a notation, on one line. It keeps a stack of its own, so that no nesting is too deep.
 *
 * @returns with bounds, text that may be longer than `maxLength`, to be cut
 */
export function print(notation: Notation, term: unknown, bounds: Bounds = NONE): string {
  let text = '';
  const open: Iterator<Piece>[] = [];
  const add = (nested: unknown): void => {
    if (open.length > bounds.maxDepth) {
      text += '...';
      return;
    }
    const pieces = notation.pieces(nested, bounds.maxLength - text.length);
    if (typeof pieces === 'string') text += pieces;
    else open.push(pieces);
  };
  add(term);
  for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
    if (text.length > bounds.maxLength) break;
    const { value, done } = top.next();
    if (done === true) open.pop();
    else if (typeof value === 'string') text += value;
    else add(value.term);
  }
  return text;
}

/** How a language writes terms. */
export abstract class Notation {
  /** What stands between the elements of a sequence. */
  protected abstract readonly separator: string;
  /** Whether lists of printable characters are written as text. */
  readonly #charlists: boolean;

  constructor({ charlists }: { readonly charlists: boolean }) {
    this.#charlists = charlists;
  }

  /**
   * How a term is written. Values that are no terms are shown somehow.
   *
   * @param room how much text will be shown at most
   */
  pieces(term: unknown, room: number): string | Iterator<Piece> {
    switch (typeof term) {
      case 'string':
        return this.text(cut(term, room));
      case 'number':
        if (Number.isSafeInteger(term) && !Object.is(term, -0)) return String(term);
        return Number.isFinite(term) ? floatText(term) : String(term);
      case 'bigint':
        return String(term);
      case 'boolean':
      case 'undefined':
        return this.atom(String(term));
      case 'object':
        return term === null ? this.atom('nil') : this.#object(term, room);
      default:
        return inspectBriefly(term, 200);
    }
  }

  /** The atom of that name. */
  abstract atom(name: string): string;
  /** A binary that is UTF-8. */
  protected abstract text(text: string): string;
  /** A list of code points of ASCII. */
  protected abstract charlist(text: string): string;
  /** A binary, or a bit string, of the bytes and the bits that are left over. */
  protected abstract bits(bytes: readonly number[], rest: string, cutOff: boolean): string;
  protected abstract list(items: readonly unknown[]): Iterator<Piece>;
  protected abstract improper(list: ImproperList): Iterator<Piece>;
  protected abstract map(map: ReadonlyMap<unknown, unknown>): Iterator<Piece>;
  /** A plain object. Whether its keys were atoms or binaries is not known: they are shown as atoms. */
  protected abstract object(object: Readonly<Record<string, unknown>>): Iterator<Piece>;
  protected abstract externalFunction(fun: ExternalFunction): string;
  protected abstract fun(fun: Fun): string;
  protected abstract identifier(value: Pid | Port | Reference): string;
  /** Bits that are left over at the end of a bit string, such as `5:3`. */
  protected abstract leftOver(value: number, size: number): string;

  #object(term: object, room: number): string | Iterator<Piece> {
    if (Array.isArray(term)) return this.#array(term, room);
    if (term instanceof Atom) return this.atom(term.name);
    if (term instanceof Float) return floatText(term.value);
    if (term instanceof Uint8Array) return this.#bytes(term, room);
    if (term instanceof Map) return this.map(term);
    if (term instanceof BitString) return this.#bitString(term, room);
    if (term instanceof ImproperList) return this.improper(term);
    if (term instanceof ExternalFunction) return this.externalFunction(term);
    if (term instanceof Fun) return this.fun(term);
    if (term instanceof Pid || term instanceof Port || term instanceof Reference) {
      return this.identifier(term);
    }
    return isPlain(term) ? this.object(term) : inspectBriefly(term, 200);
  }

  #array(items: readonly unknown[], room: number): string | Iterator<Piece> {
    if (isTuple(items)) return this.sequence('{', items, '}');
    const shown = items.length > room ? items.slice(0, room + 1) : items;
    if (this.#charlists && shown.length > 0 && shown.every(isPrintableCode)) {
      return this.charlist(Buffer.from(shown as readonly number[]).latin1Slice());
    }
    return items.length === 0 ? '[]' : this.list(items);
  }

  #bytes(bytes: Uint8Array, room: number): string {
    const shown = bytes.length > room ? bytes.subarray(0, room + 1) : bytes;
    if (isUtf8(shown)) {
      const text = Buffer.from(shown.buffer, shown.byteOffset, shown.length).utf8Slice();
      if (isPrintable(text)) return this.text(text);
    }
    return this.#someBits(shown, '', room);
  }

  #bitString({ bytes, bits }: BitString, room: number): string {
    const last = bytes.length - 1;
    const rest = this.leftOver(bytes[last]! >> (8 - bits), bits);
    return this.#someBits(bytes.subarray(0, last), rest, room);
  }

  #someBits(bytes: Uint8Array, rest: string, room: number): string {
    const cutOff = room !== Infinity && bytes.length > MAX_BYTES;
    return this.bits(Array.from(cutOff ? bytes.subarray(0, MAX_BYTES) : bytes), rest, cutOff);
  }

  /** Terms in a row. */
  protected *sequence(open: string, items: Iterable<unknown>, close: string): Iterator<Piece> {
    let before = open;
    for (const item of items) {
      yield before;
      yield new Nested(item);
      before = this.separator;
    }
    if (before === open) yield open;
    yield close;
  }
}

/** Text with characters that cannot stand for themselves written as `escape` has them. */
export function escaped(text: string, escape: (character: string) => string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Noncharacter_Code_Point}"'\\]|#(?=\{)/gu,
    escape,
  );
}

/** Control characters that have a letter of their own in Erlang and in Elixir. */
export const LETTERS: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\x1b': '\\e',
};

/** Whether text of a binary is shown as such, and not as bytes. */
function isPrintable(text: string): boolean {
  return !/[\0-\x07\x0e-\x1a\x1c-\x1f\x7f-\x9f]|\p{Noncharacter_Code_Point}/u.test(text);
}

/** Whether an item of a list is a character that Erlang and Elixir write as such. */
function isPrintableCode(code: unknown): boolean {
  return (
    typeof code === 'number' &&
    Number.isInteger(code) &&
    ((code >= 0x20 && code <= 0x7e) || (code >= 8 && code <= 13) || code === 0x1b)
  );
}

function cut(text: string, room: number): string {
  return text.length > room ? text.slice(0, Math.max(room, 0) + 1).toWellFormed() : text;
}

function isPlain(term: object): term is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(term);
  return prototype === Object.prototype || prototype === null;
}

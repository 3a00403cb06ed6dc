import { Atom, foreignAtom, MAX_ATOM_LENGTH } from '../terms/atom.js';
import { isTuple, markTuple } from '../terms/tuple.js';
import { ExternalFunction, Float, ImproperList } from '../terms/values.js';
import { RESERVED } from './erlang.js';
import { Scanner, type Token } from './scanner.js';
import { SegmentReader } from './segments.js';

/** A term that is complete. */
interface Complete {
  readonly value: unknown;
}

/** A list, tuple or map that is not complete yet. */
interface Open {
  readonly kind: 'list' | 'tuple' | 'map';
  /** The token that it begins with. */
  readonly token: Token;
  /** Keys of a map and their values alternate. */
  readonly items: unknown[];
  /** The keys of a map that can be compared here, to find one that comes twice. */
  readonly keys: Set<unknown>;
  /** How many `]` end a list: `[1|[2]]` is one list. */
  closers: number;
  /** Whether `|` has come, and the tail comes next. */
  inTail: boolean;
}

/**
 * Reads a term in Erlang's syntax, in exact form. It looks at each character once, and keeps a stack of
 * its own.
 *
 * @throws TermError with line and column
 */
export function readErlang(text: string, maxDepth: number): unknown {
  return new Reader(text, maxDepth).read();
}

/** Reserved from OTP 27 on; before, these two are printed without quotes. */
const UNRESERVED: ReadonlySet<string> = new Set(['maybe', 'else']);

class Reader {
  readonly #scanner: Scanner;
  readonly #segments: SegmentReader;
  readonly #maxDepth: number;
  readonly #open: Open[] = [];

  constructor(text: string, maxDepth: number) {
    this.#scanner = new Scanner(text);
    this.#segments = new SegmentReader(this.#scanner, text.length);
    this.#maxDepth = maxDepth;
  }

  read(): unknown {
    for (;;) {
      let complete = this.#begin();
      while (complete !== undefined) {
        const container = this.#open.at(-1);
        if (container === undefined) return this.#end(complete.value);
        complete = this.#add(container, complete.value);
      }
    }
  }

  /** What stands after the term. */
  #end(value: unknown): unknown {
    this.#scanner.skip('.');
    const token = this.#scanner.peek();
    if (token.kind !== 'end') throw this.#scanner.unexpected(token, 'the end of the term');
    return value;
  }

  /** Reads a term that has none inside, or begins another one. */
  #begin(): Complete | undefined {
    const token = this.#scanner.take();
    switch (token.kind) {
      case 'integer':
        return { value: token.value };
      case 'float':
        return { value: new Float(token.value) };
      case 'string':
        return { value: Array.from(token.value, (character) => character.codePointAt(0)!) };
      case 'atom':
        if (token.quoted || !RESERVED.has(token.value) || UNRESERVED.has(token.value)) {
          return { value: this.#atom(token) };
        }
        return { value: this.#externalFunction(token) };
      case 'mark':
        return this.#beginMark(token);
      case 'end':
        throw this.#missing('a term');
    }
  }

  #beginMark(token: Token): Complete | undefined {
    const scanner = this.#scanner;
    switch (token.value) {
      case '[':
        return scanner.skip(']') ? { value: [] } : this.#push('list', token);
      case '{':
        return scanner.skip('}') ? { value: markTuple([]) } : this.#push('tuple', token);
      case '#{':
        return scanner.skip('}') ? { value: new Map() } : this.#push('map', token);
      case '<<':
        return { value: this.#segments.read() };
      case '-':
      case '+':
        return { value: this.#signed(token.value === '-') };
      default:
        throw scanner.unexpected(token, 'a term');
    }
  }

  #push(kind: Open['kind'], token: Token): undefined {
    if (this.#open.length >= this.#maxDepth) {
      const limit = `deeper than ${this.#maxDepth} (option maxDepth)`;
      throw this.#scanner.error(`the term is nested ${limit}`, token.start);
    }
    this.#open.push({ kind, token, items: [], keys: new Set(), closers: 1, inTail: false });
  }

  #atom(token: Token): Atom {
    const name = token.value as string;
    if (name.length > MAX_ATOM_LENGTH && Array.from(name).length > MAX_ATOM_LENGTH) {
      const most = `an atom has at most ${MAX_ATOM_LENGTH} characters`;
      throw this.#scanner.error(most, token.start);
    }
    return foreignAtom(name);
  }

  #signed(negative: boolean): unknown {
    const token = this.#scanner.take();
    if (token.kind === 'float') return new Float(negative ? -token.value : token.value);
    if (token.kind !== 'integer') throw this.#scanner.unexpected(token, 'a number after its sign');
    // Not `-0`, which would be a float.
    return negative && token.value !== 0 ? -token.value : token.value;
  }

  /** `fun Module:Function/Arity`. */
  #externalFunction(token: Token): ExternalFunction {
    const scanner = this.#scanner;
    if (token.value !== 'fun') {
      throw scanner.unexpected(token, `a term ('${token.value}' as an atom is written in quotes)`);
    }
    const module = this.#name('the module after fun');
    if (!scanner.skip(':')) throw scanner.unexpected(scanner.peek(), "':' after the module");
    const name = this.#name('the name of the function');
    if (!scanner.skip('/')) throw scanner.unexpected(scanner.peek(), "'/' and the arity");
    const arity = scanner.take();
    if (arity.kind !== 'integer' || arity.value > 255 || scanner.isCharacter(arity)) {
      throw scanner.unexpected(arity, 'an arity from 0 to 255');
    }
    return new ExternalFunction(module, name, arity.value as number);
  }

  /** Also words that are reserved: OTP prints those here without quotes. */
  #name(what: string): Atom {
    const token = this.#scanner.take();
    if (token.kind !== 'atom') {
      throw this.#scanner.unexpected(token, `an atom as ${what}`);
    }
    return this.#atom(token);
  }

  /** Adds a term to a container: this, when that is complete by it, or else undefined. */
  #add(container: Open, value: unknown): Complete | undefined {
    switch (container.kind) {
      case 'list':
        return this.#addItem(container, value);
      case 'tuple':
        container.items.push(value);
        return this.#scanner.skip(',') ? undefined : this.#close('}', "',' or '}'");
      case 'map':
        return this.#addToMap(container, value);
    }
  }

  #addItem(list: Open, value: unknown): Complete | undefined {
    const scanner = this.#scanner;
    const isList = Array.isArray(value) && !isTuple(value);
    if (list.inTail && !isList) {
      return this.#closeList(list, (items) => new ImproperList(items, value));
    }
    if (list.inTail) {
      for (const item of value as unknown[]) list.items.push(item);
      return this.#closeList(list);
    }
    list.items.push(value);
    if (scanner.skip(',')) return undefined;
    if (!scanner.skip('|')) return this.#closeList(list);
    if (!scanner.skip('[')) {
      list.inTail = true;
      return undefined;
    }
    // A list as the tail goes on with this one. Joining them later would take its time again and again.
    list.closers++;
    const next = scanner.peek();
    const isEmpty = next.kind === 'mark' && next.value === ']';
    return isEmpty ? this.#closeList(list) : undefined;
  }

  #closeList(list: Open, make = (items: unknown[]): unknown => items): Complete {
    const expected = list.inTail ? "']'" : "',', '|' or ']'";
    for (; list.closers > 1; list.closers--) {
      if (!this.#scanner.skip(']')) throw this.#missing(expected);
    }
    return this.#close(']', expected, make);
  }

  #addToMap(map: Open, value: unknown): Complete | undefined {
    const scanner = this.#scanner;
    map.items.push(value);
    if (map.items.length % 2 === 1) {
      if (typeof value === 'number' || typeof value === 'bigint' || value instanceof Atom) {
        if (map.keys.has(value)) {
          throw scanner.error('the key before it comes twice in the map', scanner.peek().start);
        }
        map.keys.add(value);
      }
      if (!scanner.skip('=>')) throw this.#missing("'=>' after a key");
      return undefined;
    }
    if (scanner.skip(',')) return undefined;
    return this.#close('}', "',' or '}'", (items) => {
      const result = new Map<unknown, unknown>();
      for (let index = 0; index < items.length; index += 2) {
        result.set(items[index], items[index + 1]);
      }
      return result;
    });
  }

  /** Ends the innermost container. */
  #close(mark: string, expected: string, make?: (items: unknown[]) => unknown): Complete {
    if (!this.#scanner.skip(mark)) throw this.#missing(expected);
    const { kind, items } = this.#open.pop()!;
    if (make !== undefined) return { value: make(items) };
    return { value: kind === 'tuple' ? markTuple(items) : items };
  }

  /** The error for what is there instead; where the text ends, with the place of what it leaves open. */
  #missing(expected: string): Error {
    const scanner = this.#scanner;
    const container = this.#open.at(-1);
    const token = scanner.peek();
    if (container === undefined || token.kind !== 'end') return scanner.unexpected(token, expected);
    const { line, column } = scanner.place(container.token.start);
    const begin = `the ${container.kind} that begins in line ${line}, column ${column}`;
    return scanner.unexpected(token, `${expected} in ${begin}`);
  }
}

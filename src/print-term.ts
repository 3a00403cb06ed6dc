import { inspectBriefly, truncate } from './inspect.js';
import { Atom, Float, ImproperList, isTuple } from './terms/index.js';

/** Below this nesting a term is shown as `...`. */
const MAX_DEPTH = 8;

/**
 * A term on one line in Erlang's notation, such as `{badmatch,<<"x">>}`, for messages. It is cut at
 * `maxLength` UTF-16 units, and no more of the term is looked at than is shown: reasons of
 * exceptions may hold the state of a whole process.
 */
export function printTerm(term: unknown, maxLength = 500): string {
  const printer = new Printer(maxLength);
  printer.print(term, 0);
  return truncate(printer.text, maxLength);
}

class Printer {
  text = '';
  readonly #maxLength: number;

  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  print(term: unknown, depth: number): void {
    if (depth > MAX_DEPTH) this.text += '...';
    else if (typeof term === 'string') this.#quoted(term, '<<"', '">>');
    else if (term === null) this.text += 'nil';
    else if (term instanceof Atom) this.#atom(term.name);
    else if (term instanceof Float) this.text += String(term);
    else if (term instanceof Uint8Array) this.#bytes(term);
    else if (Array.isArray(term)) this.#array(term, depth);
    else if (term instanceof ImproperList) this.#improper(term, depth);
    else if (term instanceof Map) this.#map(term, depth);
    else if (isPlain(term)) this.#object(term, depth);
    else if (typeof term === 'bigint') this.text += String(term);
    // Numbers, booleans, undefined; pids and their like print themselves.
    else this.text += inspectBriefly(term, 200);
  }

  /** Whether there is nothing more to show. */
  get #full(): boolean {
    return this.text.length > this.#maxLength;
  }

  #atom(name: string): void {
    // OTP reference manual, "Data Types", Atom.
    if (/^[a-z][a-zA-Z0-9_@]*$/.test(name)) this.text += name;
    else this.#quoted(name, "'", "'");
  }

  #quoted(text: string, open: string, close: string): void {
    const shown = truncate(text, this.#maxLength);
    this.text += open + shown.replace(/[\p{Cc}\u2028\u2029"'\\]/gu, escape) + close;
  }

  #bytes(bytes: Uint8Array): void {
    const shown = bytes.subarray(0, this.#maxLength);
    if (shown.every(isPrintable)) {
      this.#quoted(Buffer.from(shown).toString('latin1'), '<<"', '">>');
    } else {
      this.text += `<<${shown.subarray(0, 32).join(',')}${bytes.length > 32 ? ',...' : ''}>>`;
    }
  }

  #array(items: readonly unknown[], depth: number): void {
    if (isTuple(items)) {
      this.#sequence('{', items, '}', depth);
    } else if (items.length > 0 && items.slice(0, this.#maxLength).every(isPrintable)) {
      const codes = items.slice(0, this.#maxLength) as number[];
      this.#quoted(String.fromCharCode(...codes), '"', '"');
    } else {
      this.#sequence('[', items, ']', depth);
    }
  }

  #improper({ items, tail }: ImproperList, depth: number): void {
    this.#sequence('[', items, '|', depth);
    this.print(tail, depth + 1);
    this.text += ']';
  }

  #sequence(open: string, items: Iterable<unknown>, close: string, depth: number): void {
    this.text += open;
    let separator = '';
    for (const item of items) {
      if (this.#full) break;
      this.text += separator;
      this.print(item, depth + 1);
      separator = ',';
    }
    this.text += close;
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): void {
    this.text += '#{';
    let separator = '';
    for (const [key, value] of map) {
      if (this.#full) break;
      this.text += separator;
      this.print(key, depth + 1);
      this.text += ' => ';
      this.print(value, depth + 1);
      separator = ',';
    }
    this.text += '}';
  }

  /** Whether its keys were atoms or binaries is not known any more: they are shown as atoms. */
  #object(object: Readonly<Record<string, unknown>>, depth: number): void {
    this.text += '#{';
    let separator = '';
    for (const key in object) {
      if (this.#full) break;
      if (!Object.hasOwn(object, key)) continue;
      this.text += separator;
      this.#atom(key);
      this.text += ' => ';
      this.print(object[key], depth + 1);
      separator = ',';
    }
    this.text += '}';
  }
}

/** Whether a byte, or an item of a list, is a visible character of ASCII. */
function isPrintable(code: unknown): boolean {
  return typeof code === 'number' && Number.isInteger(code) && code >= 0x20 && code <= 0x7e;
}

function escape(character: string): string {
  if (character === '"' || character === "'" || character === '\\') return `\\${character}`;
  return `\\x{${character.codePointAt(0)!.toString(16).toUpperCase()}}`;
}

function isPlain(term: unknown): term is Record<string, unknown> {
  if (typeof term !== 'object' || term === null) return false;
  const prototype: unknown = Object.getPrototypeOf(term);
  return prototype === Object.prototype || prototype === null;
}

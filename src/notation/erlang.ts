import { ExternalFunction, type Fun, type ImproperList, Pid, Port } from '../terms/index.js';
import type { Reference } from '../terms/index.js';
import { escaped, LETTERS, Nested, Notation, type Piece } from './printer.js';

/** Terms as `io:format("~tp")` writes them and `file:consult` reads them. */
export class ErlangNotation extends Notation {
  protected readonly separator = ',';

  atom(name: string): string {
    // OTP reference manual, "Data Types", Atom.
    if (/^[a-z][a-zA-Z0-9_@]*$/.test(name) && !RESERVED.has(name)) return name;
    return `'${escaped(name, escapeAtom)}'`;
  }

  protected text(text: string): string {
    if (text === '') return '<<>>';
    // Erlang takes these two in no form at all.
    if (/[\ufffe\uffff]/.test(text)) return this.bits(Array.from(Buffer.from(text)), '', false);
    const type = /^[\0-\x7f]*$/.test(text) ? '' : '/utf8';
    return `<<"${escaped(text, escapeText)}"${type}>>`;
  }

  protected charlist(text: string): string {
    return `"${escaped(text, escapeText)}"`;
  }

  protected bits(bytes: readonly number[], rest: string, cutOff: boolean): string {
    const end = cutOff ? '...' : rest;
    return `<<${bytes.join(',')}${bytes.length > 0 && end !== '' ? ',' : ''}${end}>>`;
  }

  protected leftOver(value: number, size: number): string {
    return `${value}:${size}`;
  }

  protected list(items: readonly unknown[]): Iterator<Piece> {
    return this.sequence('[', items, ']');
  }

  protected *improper({ items, tail }: ImproperList): Iterator<Piece> {
    let before = '[';
    for (const item of items) {
      yield before;
      yield new Nested(item);
      before = ',';
    }
    yield '|';
    yield new Nested(tail);
    yield ']';
  }

  protected *map(map: ReadonlyMap<unknown, unknown>): Iterator<Piece> {
    let before = '#{';
    for (const [key, value] of map) {
      yield before;
      yield new Nested(key);
      yield ' => ';
      yield new Nested(value);
      before = ',';
    }
    yield map.size === 0 ? '#{}' : '}';
  }

  protected *object(object: Readonly<Record<string, unknown>>): Iterator<Piece> {
    yield '#{';
    let before = '';
    for (const key in object) {
      if (!Object.hasOwn(object, key)) continue;
      yield `${before}${this.atom(key)} => `;
      yield new Nested(object[key]);
      before = ',';
    }
    yield '}';
  }

  protected externalFunction(fun: ExternalFunction): string {
    return `fun ${this.atom(fun.module.name)}:${this.atom(fun.function.name)}/${fun.arity}`;
  }

  protected fun({ parts }: Fun): string {
    return `#Fun<${this.atom(parts.module.name)}.${String(parts.oldIndex)}.${String(parts.oldUniq)}>`;
  }

  /** As the node prints it that it belongs to. */
  protected identifier(value: Pid | Port | Reference): string {
    if (value instanceof Pid) return `<0.${value.id}.${value.serial}>`;
    return value instanceof Port ? `#Port<0.${value.id}>` : `#Ref<0.${referenceNumbers(value)}>`;
  }
}

/** The numbers of a reference in the order that Erlang and Elixir print them in. */
export function referenceNumbers({ ids }: Reference): string {
  return ids.toReversed().join('.');
}

/** OTP reference manual, "Reserved Words", and those that features reserve. */
export const RESERVED: ReadonlySet<string> = new Set(
  (
    'after and andalso band begin bnot bor bsl bsr bxor case catch cond div else end fun if let ' +
    'maybe not of or orelse receive rem try when xor'
  ).split(' '),
);

function escapeText(character: string): string {
  return character === "'" ? character : escape(character);
}

function escapeAtom(character: string): string {
  return character === '"' ? character : escape(character);
}

function escape(character: string): string {
  if (character === '#') return character;
  if (character === '"' || character === "'" || character === '\\') return `\\${character}`;
  return LETTERS[character] ?? `\\x{${character.codePointAt(0)!.toString(16).toUpperCase()}}`;
}

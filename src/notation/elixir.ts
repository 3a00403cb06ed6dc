import {
  Atom,
  atom,
  type ExternalFunction,
  type Fun,
  type ImproperList,
  isTuple,
  Pid,
  Port,
  type Reference,
} from '../terms/index.js';
import { referenceNumbers } from './erlang.js';
import { escaped, LETTERS, Nested, Notation, type Piece } from './printer.js';

const STRUCT = atom('__struct__');

/** Terms as Elixir's `inspect` writes them. */
export class ElixirNotation extends Notation {
  protected readonly separator = ', ';
  readonly #structs: boolean;

  constructor(options: { readonly charlists: boolean; readonly structs: boolean }) {
    super(options);
    this.#structs = options.structs;
  }

  atom(name: string): string {
    if (name === 'nil' || name === 'true' || name === 'false') return name;
    return aliasOf(name) ?? (isPlainAtom(name) ? `:${name}` : `:${quoted(name)}`);
  }

  protected text(text: string): string {
    return quoted(text);
  }

  protected charlist(text: string): string {
    return `~c${quoted(text)}`;
  }

  protected bits(bytes: readonly number[], rest: string, cutOff: boolean): string {
    const end = cutOff ? '...' : rest;
    return `<<${bytes.join(', ')}${bytes.length > 0 && end !== '' ? ', ' : ''}${end}>>`;
  }

  protected leftOver(value: number, size: number): string {
    return `${value}::size(${size})`;
  }

  protected list(items: readonly unknown[]): Iterator<Piece> {
    return items.every(isKeywordPair) ? this.#keywords(items) : this.sequence('[', items, ']');
  }

  *#keywords(pairs: readonly (readonly [unknown, unknown])[]): Iterator<Piece> {
    let before = '[';
    for (const [key, value] of pairs) {
      yield `${before}${keyword(nameOf(key)!)}: `;
      yield new Nested(value);
      before = ', ';
    }
    yield ']';
  }

  protected *improper({ items, tail }: ImproperList): Iterator<Piece> {
    let before = '[';
    for (const item of items) {
      yield before;
      yield new Nested(item);
      before = ', ';
    }
    yield ' | ';
    yield new Nested(tail);
    yield ']';
  }

  protected map(map: ReadonlyMap<unknown, unknown>): Iterator<Piece> {
    const entries = Array.from(map);
    const keywords = entries.every(([key]) => isKeyword(key));
    if (!keywords) return this.#pairs(entries);
    const struct = this.#structs ? structOf(map) : undefined;
    if (struct === undefined) return this.#fields('%{', entries);
    return this.#fields(
      `%${struct}{`,
      entries.filter(([key]) => key !== STRUCT),
    );
  }

  *#pairs(entries: readonly (readonly [unknown, unknown])[]): Iterator<Piece> {
    let before = '%{';
    for (const [key, value] of entries) {
      yield before;
      yield new Nested(key);
      yield ' => ';
      yield new Nested(value);
      before = ', ';
    }
    yield '}';
  }

  *#fields(open: string, entries: readonly (readonly [unknown, unknown])[]): Iterator<Piece> {
    yield open;
    let before = '';
    for (const [key, value] of entries) {
      yield `${before}${keyword(nameOf(key)!)}: `;
      yield new Nested(value);
      before = ', ';
    }
    yield '}';
  }

  protected object(object: Readonly<Record<string, unknown>>): Iterator<Piece> {
    return this.map(new Map(Object.entries(object).map(([key, value]) => [atom(key), value])));
  }

  protected externalFunction(fun: ExternalFunction): string {
    const { name } = fun.function;
    const module = this.atom(fun.module.name);
    const plain = /^[a-z_][a-zA-Z0-9_]*[?!]?$/.test(name);
    // Elixir 1.14 takes nothing but plain ASCII in the quoted name of a function, and two names in no form.
    const isReserved = name === '__aliases__' || name === '__block__';
    if (isReserved || !/^[\x20-\x7e]*$/.test(name) || quoted(name) !== `"${name}"`) {
      return `Function.capture(${module}, ${this.atom(name)}, ${fun.arity})`;
    }
    return `&${module}.${plain ? name : quoted(name)}/${fun.arity}`;
  }

  protected fun({ parts }: Fun): string {
    const place = `${String(parts.oldIndex)}.${String(parts.oldUniq)}/${parts.arity}`;
    return `#Function<${place} in ${this.atom(parts.module.name)}>`;
  }

  /** As the node prints it that it belongs to. */
  protected identifier(value: Pid | Port | Reference): string {
    if (value instanceof Pid) return `#PID<0.${value.id}.${value.serial}>`;
    if (value instanceof Port) return `#Port<0.${value.id}>`;
    return `#Reference<0.${referenceNumbers(value)}>`;
  }
}

/** What an atom is called as an alias: `Elixir.Foo.Bar` is `Foo.Bar`. */
function aliasOf(name: string): string | undefined {
  if (!name.startsWith('Elixir')) return undefined;
  if (name === 'Elixir') return name;
  // `Elixir.Foo` as an alias means itself, not what begins with `Elixir.Elixir.`.
  const isAlias = /^Elixir(\.[A-Z][a-zA-Z0-9_]*)+$/.test(name) && !/^Elixir\.Elixir\b/.test(name);
  return isAlias ? name.slice('Elixir.'.length) : undefined;
}

function isPlainAtom(name: string): boolean {
  return /^[a-zA-Z_][a-zA-Z0-9_@]*[?!]?$/.test(name);
}

/** An atom as the key of a keyword list. */
function keyword(name: string): string {
  return isPlainAtom(name) ? name : quoted(name);
}

/** The name of a term that is an atom. */
function nameOf(term: unknown): string | undefined {
  if (term instanceof Atom) return term.name;
  if (term === null) return 'nil';
  return typeof term === 'boolean' || term === undefined ? String(term) : undefined;
}

/** Whether a term can stand before a colon. As `inspect`, aliases do not. */
function isKeyword(term: unknown): boolean {
  const name = nameOf(term);
  return name !== undefined && !name.startsWith('Elixir.') && name !== 'Elixir';
}

function isKeywordPair(item: unknown): item is readonly [unknown, unknown] {
  return isTuple(item) && item.length === 2 && isKeyword(item[0]);
}

/** The alias of the module whose struct a map is. */
function structOf(map: ReadonlyMap<unknown, unknown>): string | undefined {
  const module = map.get(STRUCT);
  const alias = module instanceof Atom ? aliasOf(module.name) : undefined;
  return alias === 'Elixir' ? undefined : alias;
}

function quoted(text: string): string {
  return `"${escaped(text, escape)}"`;
}

function escape(character: string): string {
  if (character === "'") return character;
  // `#{` would be code.
  if (character === '#' || character === '"' || character === '\\') return `\\${character}`;
  return LETTERS[character] ?? `\\u{${character.codePointAt(0)!.toString(16).toUpperCase()}}`;
}

import { encode } from './encode.js';
import { decode } from './decode.js';
import { MAX_DEPTH } from './tape.js';
import { TermError } from '../errors/errors.js';
import { inspectBriefly, truncate } from '../platform/inspect.js';
import { native, nativeOptions } from '../platform/native.js';
import { ownProperties } from '../platform/own-properties.js';
import { readOptions } from '../options/table.js';
import {
  decodeSettings,
  type EncodeOptions,
  type FromErlangOptions,
  toElixirTable,
  type ToElixirOptions,
  toErlangTable,
  type ToErlangOptions,
} from './options.js';
import type { Term } from '../terms/index.js';

/**
 * Prints the term that a value is sent as, in Erlang's syntax on one line.
 *
 * Erlang reads the text back as the same term, except identifiers and closures (such as `<0.1.2>`
 * and `#Fun<m.1.2>`) and atoms with U+FFFE or U+FFFF. Integers of more than 1,024 bytes are
 * hexadecimal.
 *
 * @param value any value that {@link encode} takes. To print a received term, decode it with
 * `terms: 'exact'`.
 * @throws {@link TermError} with the path to the part that cannot be encoded
 * @example
 * ```ts run
 * import { atom, toErlang, tuple } from 'backwater';
 * console.log(toErlang(tuple(atom('ok'), { id: 1, name: 'x' }))); // {ok,#{<<"id">> => 1,<<"name">> => <<"x">>}}
 * ```
 */
export function toErlang(value: unknown, options?: ToErlangOptions): string {
  const { charlists, ...writing } = readOptions(toErlangTable, options, 'toErlang');
  return print(encodeDeep(value, writing), { elixir: false, charlists, structs: false });
}

/**
 * Like {@link toErlang}, in Elixir's syntax. To read structs back, Elixir needs their module.
 *
 * @throws {@link TermError} with the path to the part that cannot be encoded
 * @example
 * ```ts run
 * import { atom, toElixir, tuple } from 'backwater';
 * console.log(toElixir(tuple(atom('ok'), { id: 1, name: 'x' }))); // {:ok, %{"id" => 1, "name" => "x"}}
 * ```
 */
export function toElixir(value: unknown, options?: ToElixirOptions): string {
  const { charlists, structs, ...writing } = readOptions(toElixirTable, options, 'toElixir');
  return print(encodeDeep(value, writing), { elixir: true, charlists, structs });
}

/**
 * Reads a term in Erlang's syntax, as `io:format("~p")` prints it and `file:consult` reads it.
 * It evaluates nothing.
 *
 * Strings are lists of code points. Variables, operators, duplicate keys, identifiers and closures
 * are errors.
 *
 * @param text one term; a dot and comments may follow
 * @param options the options of {@link decode}
 * @throws {@link TermError} with `line`, `column` and what was expected there
 * @example
 * ```ts run
 * import { fromErlang } from 'backwater';
 * console.log(fromErlang('{ok, #{name => <<"x">>, tags => [1, 16#ff, $a]}}.'));
 * ```
 */
export function fromErlang(text: string, options?: FromErlangOptions): Term {
  const { maxDepth } = decodeSettings('fromErlang', options);
  if (typeof text !== 'string') {
    throw new TermError(`fromErlang takes a string, not ${inspectBriefly(text, 100)}`);
  }
  const { encoded, message, line, column } = native.parseErlang(text, maxDepth);
  if (encoded === null) throw new TermError(message!, { line, column });
  return decode(encoded, options);
}

type Printing = { elixir: boolean; charlists: boolean; structs: boolean; maxDepth?: number };

function print(encoded: Buffer, options: Printing): string {
  const { maxDepth, ...syntax } = ownProperties(options);
  return native.printTerm(encoded, nativeOptions({ ...syntax, maxDepth }));
}

function encodeDeep(value: unknown, options: EncodeOptions): Buffer {
  return encode(value, { ...options, maxDepth: MAX_DEPTH });
}

/** Deeper terms are printed as `...`. */
const SHOWN_DEPTH = 8;
const SHOWN_SIZE = 64 * 1024;

/**
 * Prints a value for a message, with `util.inspect` if it is large or cannot be encoded.
 *
 * @param maxLength in UTF-16 units
 */
export function printBriefly(value: unknown, maxLength = 500): string {
  try {
    const encoded = encode(value, { objectKeys: 'atom', maxSize: SHOWN_SIZE });
    const options = { elixir: false, charlists: true, structs: false, maxDepth: SHOWN_DEPTH };
    return truncate(print(encoded, options), maxLength);
  } catch {
    return inspectBriefly(value, maxLength);
  }
}

import { encode } from './encode.js';
import { decode } from './decode.js';
import { MAX_DEPTH } from './tape.js';
import { TermError } from '../errors/errors.js';
import { inspectBriefly, truncate } from '../platform/inspect.js';
import { native, nativeOptions } from '../platform/native.js';
import { ownProperties } from '../platform/own-properties.js';
import {
  fromErlangOptions,
  toElixirOptions,
  toErlangOptions,
  type EncodeOptions,
  type FromErlangOptions,
  type ToElixirOptions,
  type ToErlangOptions,
} from './options.js';
import type { Term } from '../terms/index.js';

/**
 * Prints the term that a value is sent as, in Erlang's syntax on one line.
 *
 * Erlang evaluates the text to the same term, with two exceptions: identifiers and closures (`<0.1.2>`,
 * `#Port<0.1>`, `#Ref<0.1.2>`, `#Fun<m.1.2>`) are printed as on their own node and cannot be read back, nor
 * can atoms with U+FFFE or U+FFFF. Integers of more than 1,024 bytes are printed in hexadecimal.
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
  const { charlists, ...writing } = toErlangOptions(options);
  return print(encodeDeep(value, writing), { elixir: false, charlists, structs: false });
}

/**
 * Prints the term that a value is sent as, in Elixir's syntax on one line.
 *
 * Elixir evaluates the text to the same term, with two exceptions: identifiers and closures (`#PID<0.1.2>`
 * and the like) are printed as on their own node and cannot be read back, and structs require their module.
 * Integers of more than 1,024 bytes are printed in hexadecimal.
 *
 * @param value any value that {@link encode} takes. To print a received term, decode it with
 * `terms: 'exact'`.
 * @throws {@link TermError} with the path to the part that cannot be encoded
 * @example
 * ```ts run
 * import { atom, toElixir, tuple } from 'backwater';
 * console.log(toElixir(tuple(atom('ok'), { id: 1, name: 'x' }))); // {:ok, %{"id" => 1, "name" => "x"}}
 * console.log(toElixir({ id: 1, name: 'x' }, { objectKeys: 'atom' })); // %{id: 1, name: "x"}
 * ```
 */
export function toElixir(value: unknown, options?: ToElixirOptions): string {
  const { charlists, structs, ...writing } = toElixirOptions(options);
  return print(encodeDeep(value, writing), { elixir: true, charlists, structs });
}

/**
 * Reads a term in Erlang's syntax, as `io:format("~p")` prints it and `file:consult` reads it. Nothing is
 * evaluated.
 *
 * Strings are lists of code points, as in Erlang. Pids, ports, references and closures are errors, because
 * their printed form is incomplete. So are variables, operators, and maps that have a key twice.
 *
 * @param text one term; a dot and comments may follow it
 * @param options the options of {@link decode}
 * @throws {@link TermError} with `line` and `column`, and what was expected there
 * @example
 * ```ts run
 * import { fromErlang } from 'backwater';
 * console.log(fromErlang('{ok, #{name => <<"x">>, tags => [1, 16#ff, $a]}}.'));
 * ```
 */
export function fromErlang(text: string, options?: FromErlangOptions): Term {
  const { maxDepth } = fromErlangOptions(options);
  if (typeof text !== 'string') {
    throw new TermError(`fromErlang takes a string, not ${inspectBriefly(text, 100)}`);
  }
  const { encoded, message, line, column } = native.parseErlang(text, maxDepth);
  if (encoded === null) throw new TermError(message!, { line, column });
  return decode(encoded, options);
}

type Printing = { elixir: boolean; charlists: boolean; structs: boolean };

function print(
  encoded: Buffer,
  options: Printing & { maxLength?: number; maxDepth?: number },
): string {
  const { maxLength, maxDepth, ...syntax } = ownProperties(options);
  return native.printTerm(encoded, nativeOptions({ ...syntax, maxLength, maxDepth }));
}

/** Encodes a value as deep as the codec goes: printing has no limit of its own. */
function encodeDeep(value: unknown, options: EncodeOptions): Buffer {
  return encode(value, { ...options, maxDepth: MAX_DEPTH });
}

/** Terms nested deeper than this are shown as `...` in messages. */
const SHOWN_DEPTH = 8;
/** Terms of more bytes than this are shown as `util.inspect` shows their values. */
const SHOWN_SIZE = 64 * 1024;

/**
 * A value for messages, as a term in Erlang's syntax such as `{badmatch,<<"x">>}`. Values that cannot be
 * encoded, and large ones, are shown as `util.inspect` shows them.
 *
 * @param maxLength where to cut the text, in UTF-16 units
 */
export function printBriefly(value: unknown, maxLength = 500): string {
  try {
    const encoded = encode(value, { objectKeys: 'atom', maxSize: SHOWN_SIZE });
    // A UTF-16 unit takes at most three bytes.
    const bounds = { maxLength: 3 * maxLength, maxDepth: SHOWN_DEPTH };
    const options = { elixir: false, charlists: true, structs: false, ...bounds };
    return truncate(print(encoded, options), maxLength);
  } catch {
    return inspectBriefly(value, maxLength);
  }
}

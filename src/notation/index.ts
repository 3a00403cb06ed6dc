import { decode, encode } from '../codec.js';
import { MAX_DEPTH } from '../codec/tape.js';
import { TermError } from '../errors.js';
import { inspectBriefly } from '../inspect.js';
import {
  fromErlangOptions,
  toElixirOptions,
  toErlangOptions,
  type FromErlangOptions,
  type ToElixirOptions,
  type ToErlangOptions,
  type WriteOptions,
} from '../options.js';
import type { Term } from '../terms/index.js';
import { ElixirNotation } from './elixir.js';
import { ErlangNotation } from './erlang.js';
import { print } from './printer.js';
import { readErlang } from './read-erlang.js';

/**
 * The term that a value is sent as, in Erlang's syntax on one line. Evaluated by Erlang, the text gives
 * that very term; but identifiers and closures (`<0.1.2>`, `#Port<0.1>`, `#Ref<0.1.2>`, `#Fun<m.1.2>`),
 * which are printed as on their own node, cannot be read by anyone, nor can atoms with U+FFFE or
 * U+FFFF.
 *
 * @param value any value that {@link encode} takes; what {@link decode} has returned with
 * `terms: 'exact'` for the term that was received
 * @throws {@link TermError} with the path to the part that is no term
 * @example
 * ```ts run
 * import { atom, toErlang, tuple } from 'backwater';
 * console.log(toErlang(tuple(atom('ok'), { id: 1, name: 'x' }))); // {ok,#{<<"id">> => 1,<<"name">> => <<"x">>}}
 * ```
 */
export function toErlang(value: unknown, options?: ToErlangOptions): string {
  const settings = toErlangOptions(options);
  return print(new ErlangNotation(settings), exactTerm(value, settings));
}

/**
 * The term that a value is sent as, in Elixir's syntax on one line. Evaluated by Elixir, the text gives
 * that very term; but identifiers and closures (`#PID<0.1.2>` and the like), which are printed as on
 * their own node, cannot be read by anyone, and structs only where their module is there.
 *
 * @param value any value that {@link encode} takes; what {@link decode} has returned with
 * `terms: 'exact'` for the term that was received
 * @throws {@link TermError} with the path to the part that is no term
 * @example
 * ```ts run
 * import { atom, toElixir, tuple } from 'backwater';
 * console.log(toElixir(tuple(atom('ok'), { id: 1, name: 'x' }))); // {:ok, %{"id" => 1, "name" => "x"}}
 * console.log(toElixir({ id: 1, name: 'x' }, { objectKeys: 'atom' })); // %{id: 1, name: "x"}
 * ```
 */
export function toElixir(value: unknown, options?: ToElixirOptions): string {
  const settings = toElixirOptions(options);
  return print(new ElixirNotation(settings), exactTerm(value, settings));
}

/**
 * Reads a term in Erlang's syntax, as `io:format("~p")` prints it and `file:consult` reads it. Nothing
 * is evaluated, and the time grows with the length of the text.
 *
 * Strings are lists of code points, as they are in Erlang. Pids, ports, references and closures are
 * errors: how they are printed leaves out parts of them. So are variables, operators, and maps with a
 * key twice.
 *
 * @param text one term; a dot and comments may follow it
 * @param options as those of {@link decode}
 * @throws {@link TermError} with `line` and `column`, and what was expected there
 * @example
 * ```ts run
 * import { fromErlang } from 'backwater';
 * console.log(fromErlang('{ok, #{name => <<"x">>, tags => [1, 16#ff, $a]}}.'));
 * ```
 */
export function fromErlang(text: string, options?: FromErlangOptions): Term {
  const settings = fromErlangOptions(options);
  if (typeof text !== 'string') {
    throw new TermError(`fromErlang takes a string, not ${inspectBriefly(text, 100)}`);
  }
  const term = readErlang(text, settings.maxDepth);
  return decode(encode(term, { maxDepth: settings.maxDepth }), options);
}

/** The term as a peer gets it: the mapping of values, and its errors, are those of the codec. */
function exactTerm(value: unknown, options: WriteOptions): Term {
  const { objectKeys, encoders } = options;
  return decode(encode(value, { objectKeys, encoders, maxDepth: MAX_DEPTH }), EXACT);
}

const EXACT = { terms: 'exact', maxDepth: MAX_DEPTH, maxTerms: 2 ** 28 - 1 } as const;

import { truncate } from './inspect.js';
import { ErlangNotation } from './notation/erlang.js';
import { print } from './notation/printer.js';

/** Below this nesting a term is shown as `...`. */
const MAX_DEPTH = 8;

const NOTATION = new ErlangNotation({ charlists: true });

/**
 * A term on one line in Erlang's notation, such as `{badmatch,<<"x">>}`, for messages. It is cut at
 * `maxLength` UTF-16 units, and no more of the term is looked at than is shown: reasons of
 * exceptions may hold the state of a whole process. What is no term is shown as `util.inspect` does.
 */
export function printTerm(term: unknown, maxLength = 500): string {
  return truncate(print(NOTATION, term, { maxLength, maxDepth: MAX_DEPTH }), maxLength);
}

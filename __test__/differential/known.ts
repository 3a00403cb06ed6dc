import type { Case, Difference } from './compare.js';
import { TAGS } from './generate.js';

/** A difference that is meant; docs/differential.md gives the reasons. */
interface Known {
  readonly name: string;
  is(difference: Difference, tested: Case): boolean;
}

const refusal = (difference: Difference, message: RegExp): boolean =>
  difference.kind === 'taken by Erlang only' && message.test(difference.own);

const KNOWN: readonly Known[] = [
  {
    name: 'compressed terms',
    is: (difference, { bytes }) =>
      bytes[1] === TAGS.compressed && refusal(difference, /compressed terms are not taken/),
  },
];

/** The name of the known difference that this is one of. */
export function knownAs(difference: Difference, tested: Case): string | undefined {
  return KNOWN.find((known) => known.is(difference, tested))?.name;
}

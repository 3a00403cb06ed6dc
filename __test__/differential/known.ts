import type { Case, Difference } from './compare.js';

/** An intended difference; docs/differential.md gives the reasons. */
interface Known {
  readonly name: string;
  is(difference: Difference, tested: Case): boolean;
}

const refusedHere = (name: string, message: RegExp): Known => ({
  name,
  is: ({ kind }, { own }) =>
    kind === 'taken by Erlang only' && 'refused' in own && message.test(own.refused),
});

const ABOUT_CONTENT = new Set(['taken here only', 'another value', 'another encoding']);
const NATIVE_RECORD = /C\0\0[\0-\x04][^][\0\x01]/;
const FULL_FLOAT = /c[^\0]{31}/s;

const KNOWN: readonly Known[] = [
  refusedHere('compressed terms', /^the term is compressed/),
  {
    name: 'compressed terms that end the Erlang node',
    is: ({ kind, own }) => kind === 'Erlang ends' && own.startsWith('the term is compressed'),
  },
  refusedHere('local terms', /^the term was encoded by term_to_binary with the option local/),
  {
    name: 'native records, before OTP 29',
    is: ({ kind }, { bytes }) =>
      ABOUT_CONTENT.has(kind) && NATIVE_RECORD.test(bytes.toString('latin1')),
  },
  refusedHere('references without ids', /^the number of a reference's ids/),
  refusedHere('empty bit strings of no bits', /^a bit string has an invalid number of bits/),
  refusedHere('arities beyond 255, or as big integers', /^the arity of an external function/),
  refusedHere('tags for the inside of a node', /^tag 7[3-6] does not begin a term/),
  refusedHere('the same key as 0.0 and -0.0', /^a map has the same key twice/),
  {
    name: 'floats with a decimal comma',
    is: (difference, tested) =>
      refusedHere('', /^a float is not a finite number/).is(difference, tested) &&
      commaBefore(tested),
  },
  {
    name: 'keys that only differ in being integers or floats, in the default mode',
    is: ({ kind, own }) =>
      kind === 'the modes differ' && own.includes('two keys that are the same term'),
  },
  {
    name: 'identifiers of the node that reads them',
    is: ({ kind }, { bytes }) => ABOUT_CONTENT.has(kind) && bytes.includes('nonode@nohost'),
  },
  {
    name: 'floats as text that no zero ends',
    is: ({ kind }, { bytes }) =>
      (ABOUT_CONTENT.has(kind) || kind === 'taken by Erlang only') &&
      FULL_FLOAT.test(bytes.toString('latin1')),
  },
  {
    name: 'closures that Erlang never writes (Erlang is not asked)',
    is: ({ kind }) => kind === 'Erlang is not asked',
  },
];

/** Whether the refused FLOAT_EXT, which ends at the error's offset, has a comma. */
function commaBefore({ bytes, own }: Case): boolean {
  const offset = 'refused' in own ? Number(/at byte (\d+)$/.exec(own.refused)?.[1]) : 0;
  return bytes.subarray(offset - 31, offset).includes(',');
}

export function knownAs(difference: Difference, tested: Case): string | undefined {
  return KNOWN.find((known) => known.is(difference, tested))?.name;
}

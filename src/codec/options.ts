import {
  FLAG_BINARIES_AUTO,
  FLAG_BINARIES_BUFFER,
  FLAG_BINARIES_STRING,
  FLAG_EXACT,
  FLAG_SAFE,
} from './control.js';
import { option, type OptionsOf, readOptions, type Values } from '../options/table.js';
import { boolean, integer, integerOrInfinity, listOf, oneOf, optional } from '../options/types.js';
import { isAtomName } from '../terms/atom.js';
import type { Encoder } from '../terms/hooks.js';
import { isClass } from './class-encoders.js';
import { type Reviver, reviversOf } from './revivers.js';
import { DEFAULT_DEPTH, MAX_DEPTH } from './tape.js';

/** A tape addresses bytes with 28 bits. */
const MAX_SIZE = 2 ** 28 - 1;
const DEFAULT_SIZE = 8 * 1024 * 1024;
const size = integer(1, MAX_SIZE, 'bytes');

/** With the properties that a program has added to Object.prototype. */
const anything: Record<string, unknown> = {};

const revivers = listOf<Reviver>(
  "a list of { struct: 'Date', revive } and { tag: 'user', length: 3, revive }",
  ({ struct, tag, length, revive }) =>
    typeof revive === 'function' &&
    (isAtomName(struct)
      ? tag === anything['tag'] && length === anything['length']
      : isAtomName(tag) && Number.isInteger(length) && (length as number) >= 1),
);

const encoders = listOf<Encoder>(
  'a list of { class: Date, toTerm }',
  ({ class: constructor, toTerm }) => isClass(constructor) && typeof toTerm === 'function',
);

export const binaries = oneOf('auto', 'buffer', 'string');

const reading = {
  /** Whether terms become plain values (`'js'`) or values that keep every type (`'exact'`). */
  terms: option(oneOf('js', 'exact'), 'js'),
  /**
   * What binaries become with `terms: 'js'`: a Buffer if they are marked as bytes or not UTF-8,
   * otherwise a string (`'auto'`); always a Buffer; or always a string.
   *
   * With `'string'`, bytes that are not UTF-8 are an error. See {@link EncodeOptions.markBytes}.
   */
  binaries: option(binaries, 'auto'),
  /** Whether to accept external functions, and atoms that this program has not created. */
  decodeUnsafeTerms: option(boolean, true),
  /**
   * Hooks that turn decoded terms, such as structs, into your own values.
   *
   * The list is read once. Ignored with `terms: 'exact'`.
   */
  revivers: option(revivers, undefined),
};

const writing = {
  /** Whether the keys of plain objects become binaries or atoms. */
  objectKeys: option(oneOf('binary', 'atom'), 'binary'),
  /** Hooks that turn instances of classes into terms; see also {@link toTerm}. */
  encoders: option(encoders, undefined),
};

const maxDepth = {
  /** How deeply terms may be nested, in both directions. */
  maxDepth: option(integer(1, MAX_DEPTH), DEFAULT_DEPTH),
};

const charlists = {
  /** Whether to print lists of printable ASCII characters as text: `"abc"` or `~c"abc"`. */
  charlists: option(boolean, true),
};

export const limits = {
  ...maxDepth,
  /** How many terms one message may contain, including nested ones. */
  maxTerms: option(integer(1, 2 ** 28 - 1), 16_777_216),
};

export const messages = {
  ...reading,
  ...writing,
  /**
   * Whether to mark a `Uint8Array` as bytes, so that the peer receives a Buffer even if it holds
   * text.
   *
   * Erlang and Elixir ignore the mark.
   *
   * @defaultValue `true` with `terms: 'js'`, `false` with `terms: 'exact'`
   */
  markBytes: option(optional(boolean), undefined),
  /** Bodies of at least this many bytes are compressed, unless that makes them larger. `Infinity` means never. */
  compressionThreshold: option(integerOrInfinity(0, 2 ** 31 - 1, 'bytes'), 300),
  /**
   * How many bytes encoded arguments may have before compression.
   *
   * On the wire, gzip may add 0.04 % and 25 bytes.
   */
  maxEncodedArgsSize: option(size, DEFAULT_SIZE),
  /** How many bytes an encoded result may have before compression. */
  maxEncodedResultSize: option(size, DEFAULT_SIZE),
};

export const compression = {
  /** How hard to compress: 1 is fastest, 9 smallest. */
  gzipLevel: option(integer(1, 9), 1),
};

export const decodeTable = {
  ...reading,
  ...limits,
  /**
   * Whether to accept terms that `term_to_binary` compressed.
   *
   * Calls never contain any. Offsets in errors refer to the inflated encoding.
   */
  compressed: option(boolean, false),
  /** How many bytes a compressed term may inflate to. */
  maxInflatedSize: option(size, DEFAULT_SIZE),
  /** How far a term of more than 1 MiB may inflate, as a multiple of its compressed size. */
  maxInflatedRatio: option(integerOrInfinity(1, 2048), 256),
  /** Ignored, so that one set of hooks fits both directions. */
  encoders: writing.encoders,
};

export const encodeTable = {
  ...writing,
  ...maxDepth,
  /** How many bytes the encoding may have. */
  maxSize: option(size, MAX_SIZE),
  /**
   * Whether to mark a `Uint8Array` as bytes, so that {@link decode} returns a Buffer even if it
   * holds text.
   *
   * Erlang and Elixir ignore the mark. An empty one cannot be marked.
   */
  markBytes: option(boolean, false),
  /**
   * Whether to compress the encoding if that makes it smaller, or a level from 0 (none) to 9
   * (smallest).
   *
   * To read it, {@link decode} needs `compressed`.
   */
  compressed: option<boolean | number>(
    {
      takes: 'true, false or an integer from 0 to 9',
      accepts: (value): value is boolean | number =>
        typeof value === 'boolean' || integer(0, 9).accepts(value),
    },
    false,
  ),
  /** Ignored, like `encoders` when decoding. */
  revivers: reading.revivers,
};

export const toErlangTable = {
  ...writing,
  ...charlists,
  /** Ignored, like `encoders` when decoding. */
  revivers: reading.revivers,
};

export const toElixirTable = {
  ...toErlangTable,
  /**
   * Whether to print maps with a key `__struct__` as structs, such as `%Date{…}`.
   *
   * Elixir reads the map form even where the module does not exist.
   */
  structs: option(boolean, true),
};

/** Options of {@link decode}. */
export interface DecodeOptions extends OptionsOf<typeof decodeTable> {}

/** Options of {@link encode}. */
export interface EncodeOptions extends OptionsOf<typeof encodeTable> {}

/** Options of {@link toErlang}. */
export interface ToErlangOptions extends OptionsOf<typeof toErlangTable> {}

/** Options of {@link toElixir}. */
export interface ToElixirOptions extends OptionsOf<typeof toElixirTable> {}

/** Options of {@link fromErlang}. */
export interface FromErlangOptions extends DecodeOptions {}

export interface DecodeSettings extends Readonly<Values<typeof decodeTable>> {
  readonly exact: boolean;
  readonly flags: number;
}

export type EncodeSettings = Readonly<Values<typeof encodeTable>>;

export const BINARIES = {
  auto: FLAG_BINARIES_AUTO,
  buffer: FLAG_BINARIES_BUFFER,
  string: FLAG_BINARIES_STRING,
} as const;

export function readingFlags(values: Values<typeof reading>): number {
  reviversOf(values.revivers);
  const { terms, decodeUnsafeTerms, binaries } = values;
  const exact = terms === 'exact' ? FLAG_EXACT : 0;
  return exact | (decodeUnsafeTerms ? 0 : FLAG_SAFE) | BINARIES[binaries];
}

const decodeDefaults = decodeSettings('decode');
const encodeDefaults: EncodeSettings = Object.freeze(readOptions(encodeTable, {}, 'encode'));

export function decodeOptions(input?: DecodeOptions | null): DecodeSettings {
  return input === undefined ? decodeDefaults : decodeSettings('decode', input);
}

export function encodeOptions(input?: EncodeOptions | null): EncodeSettings {
  if (input === undefined) return encodeDefaults;
  return Object.freeze(readOptions(encodeTable, input, 'encode'));
}

export function decodeSettings(subject: string, input?: DecodeOptions | null): DecodeSettings {
  const values = readOptions(decodeTable, input, subject);
  return Object.freeze({
    ...values,
    exact: values.terms === 'exact',
    flags: readingFlags(values),
  });
}

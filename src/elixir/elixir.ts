import { types } from 'node:util';
import { isClass } from '../codec/class-encoders.js';
import { haveCollidingTexts } from '../codec/colliding-texts.js';
import { distinctMembers } from '../hooks/sets.js';
import { textOf } from '../hooks/text.js';
import { membersOf, type Reviver } from '../codec/revivers.js';
import { option, type OptionsOf, readOptions } from '../options/table.js';
import { oneOf } from '../options/types.js';
import { prototypesOf } from '../platform/own-properties.js';
import { isPlainObject } from '../platform/realms.js';
import { type Atom, type Encoder, toTerm } from '../terms/index.js';
import { dateRevivers, dateTime, day, naiveDateTime, time } from './dates.js';
import { decimal, decimalText } from './decimal.js';
import { Range } from './range.js';
import { regexOf } from './regex.js';
import { type Fields, struct, structReviver } from './struct.js';
import { Time } from './time.js';
import { uri, urlOf } from './uri.js';
import { Version } from './version.js';

/** Options of a client, a server, a call, `encode` or `decode`. */
export interface ElixirHooks {
  /** Turns Elixir structs into JavaScript values. */
  readonly revivers: readonly Reviver[];
  /** Turns JavaScript values into Elixir structs. */
  readonly encoders: readonly Encoder[];
}

/** Your own classes by the modules of their structs. */
export interface Structs {
  readonly [module: string]: abstract new (...args: never[]) => object;
}

export const elixirTable = {
  /** The struct that a `Date` is sent as. */
  encodeDates: option(oneOf('DateTime', 'NaiveDateTime', 'Date'), 'DateTime'),
  /**
   * The decimal places of seconds in `DateTime`, `NaiveDateTime` and `Time`. Ecto needs 0 for
   * `:utc_datetime` and 6 for `:utc_datetime_usec`.
   *
   * Excess places are cut.
   *
   * @defaultValue 3, or what a decoded value came with
   */
  precision: option<0 | 3 | 6 | undefined>(
    {
      takes: '0, 3 or 6',
      accepts: (value): value is 0 | 3 | 6 => [0, 3, 6].includes(value as number),
    },
    undefined,
  ),
  /**
   * Classes for your own structs. A received struct becomes an object of its class, without calling the
   * constructor. An object of the class is sent as the struct, with its own enumerable properties as fields.
   *
   * @defaultValue none
   */
  structs: option<Structs | undefined>(
    {
      takes: "an object of classes by module, such as { 'Shop.Order': Order }",
      accepts: (value): value is Structs =>
        typeof value === 'object' &&
        value !== null &&
        isPlainObject(value) &&
        Object.entries(value).every(
          ([module, constructor]) => module !== '' && isClass(constructor),
        ),
    },
    undefined,
  ),
  /**
   * `2` sends sets as Elixir 1.14 and older make them.
   *
   * @defaultValue as in Elixir 1.15
   */
  mapSetVersion: option<2 | undefined>(
    { takes: '2', accepts: (value): value is 2 => value === 2 },
    undefined,
  ),
};

/** Options of {@link elixir}. */
export interface ElixirOptions extends OptionsOf<typeof elixirTable> {}

/**
 * Hooks for Elixir's dates, times, sets, ranges, URIs, versions, decimals, regular expressions and
 * your own structs, to spread into the options of a client, a server, a call, `encode` or `decode`.
 * [Elixir values](https://github.com/backwater-rpc/backwater-node/blob/main/docs/elixir.md) lists
 * them all.
 *
 * Microseconds are cut to the milliseconds of a `Date`. Values that JavaScript cannot hold stay
 * maps, and so do years beyond 9999.
 *
 * @throws `OptionError` naming the option that is unknown or has an invalid value
 * @example
 * ```ts run
 * import { decode, encode, toElixir } from 'backwater';
 * import { elixir } from 'backwater/elixir';
 * const bytes = encode({ at: new Date(0), tags: new Set(['a']) }, elixir());
 * console.log(decode(bytes, elixir())); // { at: 1970-01-01T00:00:00.000Z, tags: Set(1) { 'a' } }
 * console.log(toElixir(new Date(0), elixir({ encodeDates: 'Date' }))); // %Date{calendar: Calendar.ISO, year: 1970, month: 1, day: 1}
 * ```
 */
export function elixir(options?: ElixirOptions): ElixirHooks {
  const { encodeDates, precision, structs, mapSetVersion } = readOptions(
    elixirTable,
    options,
    'elixir',
  );
  const made = madeFor(structs);
  const key = `${encodeDates} ${precision} ${mapSetVersion}`;
  let hooks = made.get(key);
  if (hooks === undefined) {
    const own = Object.entries(structs ?? {}).sort(([, a], [, b]) => depthOf(b) - depthOf(a));
    hooks = Object.freeze({
      revivers:
        structs === undefined ? revivers : Object.freeze([...own.map(reviverOf), ...revivers]),
      encoders: Object.freeze([
        ...own.map(encoderOf),
        { class: Date, toTerm: (date: Date) => DATES[encodeDates](date, precision) },
        { class: Set, toTerm: (set: Set<unknown>) => mapSet(set, mapSetVersion) },
        { class: URL, toTerm: uri },
        ...(precision === undefined
          ? []
          : [{ class: Time, toTerm: (value: Time) => value.withPrecision(precision)[toTerm]() }]),
      ]),
    });
    made.set(key, hooks);
  }
  return hooks;
}

const madeWithout = new Map<string, ElixirHooks>();
const madeWith = new WeakMap<Structs, Map<string, ElixirHooks>>();

function madeFor(structs: Structs | undefined): Map<string, ElixirHooks> {
  if (structs === undefined) return madeWithout;
  const made = madeWith.get(structs) ?? new Map<string, ElixirHooks>();
  madeWith.set(structs, made);
  return made;
}

/** A `DateTime` in UTC, regardless of `encodeDates`. */
elixir.dateTime = (date: Date): Map<Atom, unknown> => dateTime(date);
/** A `NaiveDateTime` in UTC. */
elixir.naiveDateTime = (date: Date): Map<Atom, unknown> => naiveDateTime(date);
/** The day in UTC, as an Elixir `Date`. */
elixir.date = day;
/** The time of day in UTC. */
elixir.time = time;
/** A `Decimal` from its text. */
elixir.decimal = decimal;
/** A struct of your own from its module and fields. */
elixir.struct = struct;

const DATES: Readonly<
  Record<
    'DateTime' | 'NaiveDateTime' | 'Date',
    (date: Date, precision?: number) => Map<Atom, unknown>
  >
> = { DateTime: dateTime, NaiveDateTime: naiveDateTime, Date: day };

const revivers: readonly Reviver[] = Object.freeze([
  ...dateRevivers,
  structReviver('Time', (fields) => Time.ofFields(fields)),
  structReviver('MapSet', ({ map }) => setOf(map)),
  structReviver('Range', (fields) => Range.ofFields(fields)),
  structReviver('URI', (fields) => urlOf(withTexts(fields))),
  structReviver('Version', (fields) => Version.ofFields(withTexts(fields))),
  structReviver('Decimal', decimalText),
  structReviver('Regex', (fields) => regexOf(withTexts(fields))),
]);

/** The fields as `binaries: 'auto'` would decode them. */
function withTexts(fields: Fields): Fields {
  const plain = (value: unknown): unknown => textOf(value) ?? value;
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(plain) : plain(value),
    ]),
  );
}

function mapSet(set: Set<unknown>, version: 2 | undefined): Map<Atom, unknown> {
  const map = new Map(Array.from(distinctMembers(set), (value) => [value, []]));
  return struct('MapSet', version === undefined ? { map } : { map, version });
}

function setOf(map: unknown): Set<unknown> | undefined {
  if (typeof map !== 'object' || map === null) return undefined;
  if (!types.isMap(map) && !isPlainObject(map)) return undefined;
  const members = membersOf(map);
  return haveCollidingTexts(members) ? undefined : new Set(members);
}

function reviverOf([module, constructor]: [string, Structs[string]]): Reviver {
  return {
    struct: module,
    revive: ({ __struct__: _, ...fields }: Fields) => ({
      __proto__: constructor.prototype as object,
      ...fields,
    }),
  };
}

/** Subclasses come first, so that an object is sent as the struct of its own class. */
function depthOf({ prototype }: Structs[string]): number {
  return Array.from(prototypesOf(prototype as object)).length;
}

function encoderOf([module, constructor]: [string, Structs[string]]): Encoder {
  return { class: constructor, toTerm: (value: object) => struct(module, value) };
}

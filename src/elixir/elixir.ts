import { types } from 'node:util';
import { OptionError } from '../errors/errors.js';
import { readOptions, option, type OptionsOf } from '../options/table.js';
import { oneOf } from '../options/types.js';
import { membersOf, type Reviver } from '../codec/revivers.js';
import { isPlainObject } from '../platform/realms.js';
import { Atom, atom, type Encoder, tuple } from '../terms/index.js';

/** Options of a client, a server, a call, `encode` or `decode`. */
export interface ElixirHooks {
  /** What makes JavaScript's values of Elixir's structs: the option of that name of a client or server. */
  readonly revivers: readonly Reviver[];
  /** What makes Elixir's structs of JavaScript's values: the option of that name. */
  readonly encoders: readonly Encoder[];
}

type Fields = Record<string, unknown>;

export const elixirTable = {
  /** The struct that a `Date` is sent as. */
  encodeDates: option(oneOf('DateTime', 'NaiveDateTime', 'Date'), 'DateTime'),
  /**
   * `2` sends sets that are `==` to those of Elixir 1.14 and older.
   *
   * @defaultValue as Elixir 1.15 has them
   */
  mapSetVersion: option<2 | undefined>(
    { takes: '2', accepts: (value): value is 2 => value === 2 },
    undefined,
  ),
};

/** Options of {@link elixir}. */
export interface ElixirOptions extends OptionsOf<typeof elixirTable> {}

/**
 * Options that make values of JavaScript of the structs that Elixir programs send every day, and the
 * other way round:
 *
 * | Elixir                              | JavaScript                      | and back            |
 * | ----------------------------------- | ------------------------------- | ------------------- |
 * | `DateTime`, of any time zone        | `Date`                          | `DateTime` in UTC   |
 * | `NaiveDateTime`, taken as UTC       | `Date`                          | see `encodeDates`   |
 * | `Date`                              | `Date`, its midnight in UTC     | see `encodeDates`   |
 * | `MapSet`                            | `Set`                           | `MapSet`            |
 * | `URI` that is absolute              | `URL`                           | `URI`               |
 * | `Decimal`                           | string such as `'1.50'`         | see `elixir.decimal` |
 *
 * Microseconds are cut to the milliseconds that a `Date` has. What a value cannot hold stays a map: other
 * calendars, years beyond 9999, relative URIs, decimals with more than 10,000 digits.
 *
 * The same options give the same lists, so that calling this again costs nothing.
 *
 * @throws {@link OptionError} naming the option that is unknown or takes something else
 * @example
 * ```ts run
 * import { decode, elixir, encode, toElixir } from 'backwater';
 * const bytes = encode({ at: new Date(0), tags: new Set(['a']) }, elixir());
 * console.log(decode(bytes, elixir())); // { at: 1970-01-01T00:00:00.000Z, tags: Set(1) { 'a' } }
 * console.log(toElixir(new Date(0), elixir({ encodeDates: 'Date' }))); // %Date{calendar: Calendar.ISO, year: 1970, month: 1, day: 1}
 * ```
 */
export function elixir(options?: ElixirOptions): ElixirHooks {
  const { encodeDates, mapSetVersion } = readOptions(elixirTable, options, 'elixir');
  const key = `${encodeDates} ${mapSetVersion}`;
  let hooks = made.get(key);
  if (hooks === undefined) {
    hooks = Object.freeze({
      revivers,
      encoders: Object.freeze([
        { class: Date, toTerm: DATES[encodeDates] },
        { class: Set, toTerm: (set: Set<unknown>) => mapSet(set, mapSetVersion) },
        { class: URL, toTerm: uri },
      ]),
    });
    made.set(key, hooks);
  }
  return hooks;
}

const made = new Map<string, ElixirHooks>();

/** A date as a `DateTime` in UTC, whatever `encodeDates` says. */
elixir.dateTime = (date: Date): Map<Atom, unknown> =>
  struct('DateTime', {
    calendar: ISO,
    ...dayOf(date),
    ...timeOf(date),
    time_zone: 'Etc/UTC',
    zone_abbr: 'UTC',
    utc_offset: 0,
    std_offset: 0,
  });

/** A date as a `NaiveDateTime`, as it is in UTC. */
elixir.naiveDateTime = (date: Date): Map<Atom, unknown> =>
  struct('NaiveDateTime', { calendar: ISO, ...dayOf(date), ...timeOf(date) });

/** The day of a date in UTC, as a `Date`. */
elixir.date = (date: Date): Map<Atom, unknown> => struct('Date', { calendar: ISO, ...dayOf(date) });

/**
 * A `Decimal` of that text, such as `'-1.50'`, `'12E+3'`, `'NaN'` or `'Infinity'`.
 *
 * @throws {@link OptionError} when it is no decimal number
 */
elixir.decimal = (text: string): Map<Atom, unknown> => {
  const given = String(text);
  if (given.length > MAX_DECIMAL) {
    throw new OptionError(
      `elixir.decimal takes up to ${MAX_DECIMAL} characters, not ${given.length}`,
      { option: 'decimal' },
    );
  }
  const parts = DECIMAL.exec(given)?.groups;
  if (parts === undefined) {
    throw new OptionError(`elixir.decimal takes text such as '-1.50', not '${given}'`, {
      option: 'decimal',
    });
  }
  const sign = parts['sign'] === '-' ? -1 : 1;
  const special = { n: atom('NaN'), i: atom('inf') }[parts['word']?.[0]?.toLowerCase() ?? ''];
  if (special !== undefined) return struct('Decimal', { sign, coef: special, exp: 0 });
  const { whole = '', fraction = '' } = parts;
  const exp = Number(parts['exponent'] ?? 0) - fraction.length;
  return struct('Decimal', { sign, coef: BigInt(whole + fraction), exp });
};

const DECIMAL =
  /^(?<sign>[+-])?(?:(?<word>nan|inf|infinity)|(?<whole>\d+)(?:\.(?<fraction>\d+))?(?:e(?<exponent>[+-]?\d{1,9}))?)$/i;
/** The longest text of a decimal number. The time to convert one grows with the square of its length. */
const MAX_DECIMAL = 10_000;
const MAX_COEFFICIENT = 10n ** BigInt(MAX_DECIMAL);

const ISO = atom('Elixir.Calendar.ISO');
const STRUCT = atom('__struct__');

const DATES = { DateTime: elixir.dateTime, NaiveDateTime: elixir.naiveDateTime, Date: elixir.date };

function struct(module: string, fields: Fields): Map<Atom, unknown> {
  const map = new Map<Atom, unknown>([[STRUCT, atom(`Elixir.${module}`)]]);
  for (const [name, value] of Object.entries(fields)) map.set(atom(name), value);
  return map;
}

/** Elixir's functions fail for dates of later years, and of earlier ones than this before Christ. */
const MAX_YEAR = 9999;

function dayOf(date: Date): Fields {
  if (Number.isNaN(date.getTime())) throw new RangeError('an invalid date is no term');
  const year = date.getUTCFullYear();
  if (Math.abs(year) > MAX_YEAR) {
    throw new RangeError(`the year ${year} is beyond those of Elixir, -${MAX_YEAR} to ${MAX_YEAR}`);
  }
  return {
    year,
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
  };
}

function timeOf(date: Date): Fields {
  return {
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    microsecond: tuple(date.getUTCMilliseconds() * 1000, 3),
  };
}

function mapSet(set: Set<unknown>, version: 2 | undefined): Map<Atom, unknown> {
  const map = new Map(Array.from(set, (value) => [value, []]));
  return struct('MapSet', version === undefined ? { map } : { map, version });
}

function uri(url: URL): Map<Atom, unknown> {
  const { protocol, username, password, hostname, port, pathname, search, hash } = url;
  const scheme = protocol.slice(0, -1);
  const userinfo = username === '' && password === '' ? null : userInfo(username, password);
  return struct('URI', {
    scheme,
    authority: null,
    userinfo,
    host: hostname === '' ? null : hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (PORTS[scheme] ?? null) : Number(port),
    path: pathname === '' ? null : pathname,
    query: search === '' ? null : search.slice(1),
    fragment: hash === '' ? null : hash.slice(1),
  });
}

/** The ports that Elixir's `URI` knows. */
const PORTS: Readonly<Record<string, number>> = {
  ftp: 21,
  http: 80,
  https: 443,
  ldap: 389,
  sftp: 22,
  tftp: 69,
  ws: 80,
  wss: 443,
};

function userInfo(username: string, password: string): string {
  return password === '' ? username : `${username}:${password}`;
}

const revivers: readonly Reviver[] = Object.freeze([
  {
    struct: 'DateTime',
    revive: (fields: Fields) => instantOf(fields, zoneOffset(fields)) ?? fields,
  },
  { struct: 'NaiveDateTime', revive: (fields: Fields) => instantOf(fields, 0) ?? fields },
  {
    struct: 'Date',
    revive: (fields: Fields) => instantOf({ ...fields, ...MIDNIGHT }, 0) ?? fields,
  },
  { struct: 'MapSet', revive: (fields: Fields) => setOf(fields['map']) ?? fields },
  { struct: 'URI', revive: (fields: Fields) => urlOf(fields) ?? fields },
  { struct: 'Decimal', revive: (fields: Fields) => decimalText(fields) ?? fields },
]);

const MIDNIGHT = { hour: 0, minute: 0, second: 0, microsecond: tuple(0, 0) };

function integer(value: unknown, least: number, most: number): number | undefined {
  const fits = Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
  return fits ? (value as number) : undefined;
}

/** Seconds east of UTC. */
function zoneOffset(fields: Fields): number | undefined {
  const offset = integer(fields['utc_offset'], -90_000, 90_000);
  const saving = integer(fields['std_offset'], -90_000, 90_000);
  return offset === undefined || saving === undefined ? undefined : offset + saving;
}

/** The instant of a date and a time; undefined when they are not what they should be. */
function instantOf(fields: Fields, offset: number | undefined): Date | undefined {
  const year = integer(fields['year'], -MAX_YEAR, MAX_YEAR);
  const month = integer(fields['month'], 1, 12);
  const day = integer(fields['day'], 1, 31);
  const hour = integer(fields['hour'], 0, 23);
  const minute = integer(fields['minute'], 0, 59);
  const second = integer(fields['second'], 0, 60);
  const micros = Array.isArray(fields['microsecond'])
    ? integer(fields['microsecond'][0], 0, 999_999)
    : undefined;
  if (year === undefined || month === undefined || day === undefined) return undefined;
  if (hour === undefined || minute === undefined || second === undefined) return undefined;
  if (micros === undefined || offset === undefined || fields['calendar'] !== ISO) return undefined;
  // Not Date.UTC, to which year 1 is 1901.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCDate() !== day) return undefined;
  date.setUTCHours(hour, minute, second - offset, Math.floor(micros / 1000));
  return date;
}

function setOf(map: unknown): Set<unknown> | undefined {
  if (typeof map !== 'object' || map === null) return undefined;
  const isMap = types.isMap(map) || isPlainObject(map);
  return isMap ? new Set(membersOf(map)) : undefined;
}

function urlOf(fields: Fields): URL | undefined {
  const text = (name: string): string | undefined =>
    typeof fields[name] === 'string' ? fields[name] : undefined;
  const scheme = text('scheme');
  if (scheme === undefined || !/^[a-z][a-z0-9+.-]*$/i.test(scheme)) return undefined;
  if (!keepsItsParts(fields)) return undefined;
  const host = text('host');
  const port = integer(fields['port'], 0, 65_535);
  const userinfo = text('userinfo');
  const name = host?.includes(':') === true ? `[${host}]` : host;
  const authority =
    name === undefined
      ? ''
      : `//${userinfo === undefined ? '' : `${userinfo}@`}${name}${port === undefined ? '' : `:${port}`}`;
  const query = text('query');
  const fragment = text('fragment');
  const whole =
    `${scheme}:${authority}${text('path') ?? ''}` +
    `${query === undefined ? '' : `?${query}`}${fragment === undefined ? '' : `#${fragment}`}`;
  return URL.canParse(whole) ? new URL(whole) : undefined;
}

/** Whether a URL of these parts has the same ones, and no host of what was a path, say. */
function keepsItsParts({ scheme, userinfo, host, port, path, query }: Fields): boolean {
  const without = (part: unknown, characters: RegExp): boolean => !characters.test(String(part));
  const hasHost = typeof host === 'string' && host !== '';
  const start = typeof path === 'string' ? path : '';
  const pathFits = hasHost ? /^(?:\/|$)/.test(start) : !start.startsWith('//');
  return (
    pathFits &&
    (hasHost || !SPECIAL.has(String(scheme).toLowerCase())) &&
    (port === null || port === undefined || integer(port, 0, 65_535) !== undefined) &&
    without(userinfo, /[/?#@\\]/) &&
    without(host, /[/?#@\\]/) &&
    without(path, /[?#]/) &&
    without(query, /#/)
  );
}

/** Schemes for which WHATWG's URL makes a host of what follows, whatever it is. */
const SPECIAL: ReadonlySet<string> = new Set(['ftp', 'http', 'https', 'ws', 'wss']);

/** As `Decimal.to_string` writes it. */
function decimalText({ sign, coef, exp }: Fields): string | undefined {
  if (sign !== 1 && sign !== -1) return undefined;
  const minus = sign === 1 ? '' : '-';
  if (coef instanceof Atom) {
    return { NaN: `${minus}NaN`, inf: `${minus}Infinity` }[coef.name];
  }
  const isCoefficient =
    typeof coef === 'bigint'
      ? coef >= 0n && coef < MAX_COEFFICIENT
      : integer(coef, 0, Number.MAX_SAFE_INTEGER) !== undefined;
  if (!isCoefficient) return undefined;
  const exponent = integer(exp, -999_999_999, 999_999_999);
  const digits = String(coef);
  if (exponent === undefined) return undefined;
  const adjusted = exponent + digits.length - 1;
  if (exponent === 0) return minus + digits;
  if (exponent < 0 && adjusted >= -6) {
    const padded = digits.padStart(1 - exponent, '0');
    return `${minus}${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
  }
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  return `${minus}${digits[0]}${fraction}E${adjusted >= 0 ? '+' : ''}${adjusted}`;
}

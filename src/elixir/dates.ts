import { types } from 'node:util';
import { TermError } from '../errors/errors.js';
import { defineHidden } from '../platform/brands.js';
import { inspectBriefly } from '../platform/inspect.js';
import type { StructReviver } from '../codec/revivers.js';
import { type Atom, tuple } from '../terms/index.js';
import { type Fields, integer, ISO, struct, structReviver } from './struct.js';
import { Time } from './time.js';

/** Elixir's functions fail for years beyond ±9999. */
const MAX_YEAR = 9999;
/** The decimal places of seconds of a `Date` that was not decoded. */
const MILLISECONDS = 3;
/** The property where a decoded `Date` keeps its precision. */
const PRECISION = Symbol.for('backwater.precision');

export function dateTime(date: Date, precision?: number): Map<Atom, unknown> {
  return struct('DateTime', {
    calendar: ISO,
    ...dayOf(date),
    ...timeOf(date, precision),
    time_zone: 'Etc/UTC',
    zone_abbr: 'UTC',
    utc_offset: 0,
    std_offset: 0,
  });
}

export function naiveDateTime(date: Date, precision?: number): Map<Atom, unknown> {
  return struct('NaiveDateTime', { calendar: ISO, ...dayOf(date), ...timeOf(date, precision) });
}

export function day(date: Date): Map<Atom, unknown> {
  return struct('Date', { calendar: ISO, ...dayOf(date) });
}

export function time(date: Date): Time {
  checkDate(date);
  const [hour, minute, second] = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()];
  return new Time(hour, minute, second, date.getUTCMilliseconds() * 1000, precisionOf(date));
}

function checkDate(date: Date): void {
  if (!types.isDate(date)) {
    throw new TermError(`expected a Date, not ${inspectBriefly(date, 100)}`);
  }
  if (Number.isNaN(date.getTime())) throw new TermError('an invalid date cannot be encoded');
}

function dayOf(date: Date): Fields {
  checkDate(date);
  const year = date.getUTCFullYear();
  if (Math.abs(year) > MAX_YEAR) {
    throw new TermError(
      `the year ${year} is outside of Elixir's range, -${MAX_YEAR} to ${MAX_YEAR}`,
    );
  }
  return { year, month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

function timeOf(date: Date, precision = precisionOf(date)): Fields {
  const micros = date.getUTCMilliseconds() * 1000;
  return {
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    microsecond: tuple(micros - (micros % 10 ** (6 - precision)), precision),
  };
}

/** The precision that a date came with, unless its milliseconds no longer fit it. */
function precisionOf(date: Date): number {
  const kept = integer((date as { [PRECISION]?: unknown })[PRECISION], 0, 6);
  if (kept === undefined) return MILLISECONDS;
  const fits = (date.getUTCMilliseconds() * 1000) % 10 ** (6 - kept) === 0;
  return fits ? kept : MILLISECONDS;
}

export const dateRevivers: readonly StructReviver[] = [
  structReviver('DateTime', (fields) => instantOf(fields, zoneOffset(fields))),
  structReviver('NaiveDateTime', (fields) => instantOf(fields, 0)),
  structReviver('Date', (fields) => instantOf({ ...fields, ...MIDNIGHT }, 0)),
];

const MIDNIGHT = { hour: 0, minute: 0, second: 0, microsecond: tuple(0, MILLISECONDS) };

/** Seconds east of UTC. */
function zoneOffset(fields: Fields): number | undefined {
  const offset = integer(fields['utc_offset'], -90_000, 90_000);
  const saving = integer(fields['std_offset'], -90_000, 90_000);
  return offset === undefined || saving === undefined ? undefined : offset + saving;
}

function instantOf(fields: Fields, offset: number | undefined): Date | undefined {
  const year = integer(fields['year'], -MAX_YEAR, MAX_YEAR);
  const month = integer(fields['month'], 1, 12);
  const day = integer(fields['day'], 1, 31);
  const time = Time.ofFields(fields);
  if (year === undefined || month === undefined || day === undefined) return undefined;
  if (time === undefined || offset === undefined) return undefined;
  const { hour, minute, second, microsecond, precision } = time;
  // `Date.UTC` takes the year 1 as 1901.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCDate() !== day) return undefined;
  date.setUTCHours(hour, minute, second - offset, Math.floor(microsecond / 1000));
  if (precision !== MILLISECONDS) defineHidden(date, PRECISION, precision);
  return date;
}

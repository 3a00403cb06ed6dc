import { TermError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { isSame } from '../terms/atom.js';
import { type Atom, toTerm, tuple } from '../terms/index.js';
import { inspectSymbol, type PrinterOptions } from '../terms/inspect.js';
import { type Fields, integer, ISO, struct } from './struct.js';

const TIME = /^T?(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?$/;

/** The arguments of {@link Time}, and the most that each may be. */
const PARTS = [
  ['hour', 23],
  ['minute', 59],
  ['second', 59],
  ['microsecond', 999_999],
  ['precision', 6],
] as const;

/** A time of day, like Elixir's `Time`. */
export class Time {
  /** 0 to 23. */
  readonly hour: number;
  /** 0 to 59. */
  readonly minute: number;
  /** 0 to 59. Elixir has no leap seconds. */
  readonly second: number;
  /** 0 to 999,999. */
  readonly microsecond: number;
  /** The decimal places of the seconds: 0 to 6. */
  readonly precision: number;

  /**
   * @param precision by default as many places as `microsecond` needs
   * @throws `TermError` naming the part that is out of range
   */
  constructor(
    hour: number,
    minute: number,
    second = 0,
    microsecond = 0,
    precision = placesOf(microsecond),
  ) {
    const values = [hour, minute, second, microsecond, precision];
    PARTS.forEach(([name, most], index) => {
      if (integer(values[index], 0, most) !== undefined) return;
      const given = inspectBriefly(values[index], 100);
      throw new TermError(
        `the ${name} of a Time must be an integer from 0 to ${most}, not ${given}`,
      );
    });
    this.hour = hour;
    this.minute = minute;
    this.second = second;
    this.microsecond = microsecond - (microsecond % 10 ** (6 - precision));
    this.precision = precision;
    Object.freeze(this);
  }

  /**
   * Reads text such as `'23:00:07.001'`.
   *
   * @throws `TermError` if the text is not a time
   */
  static from(text: string): Time {
    const [, hour, minute, second, decimals = ''] = TIME.exec(text) ?? [];
    if (hour === undefined) {
      throw new TermError(
        `a time must be text such as '23:00:07.001', not ${inspectBriefly(text, 100)}`,
      );
    }
    const microsecond = Number(decimals.padEnd(6, '0'));
    return new Time(Number(hour), Number(minute), Number(second), microsecond, decimals.length);
  }

  /** @internal Undefined if a field is invalid. */
  static ofFields({ hour, minute, second, microsecond: pair, calendar }: Fields): Time | undefined {
    if (!Array.isArray(pair) || !isSame(calendar, ISO)) return undefined;
    const values = [hour, minute, second, pair[0], pair[1]] as Required<
      ConstructorParameters<typeof Time>
    >;
    const fit = PARTS.every(([, most], index) => integer(values[index], 0, most) !== undefined);
    return fit ? new Time(...values) : undefined;
  }

  /** The same time with other decimal places; excess places are cut. */
  withPrecision(precision: number): Time {
    return new Time(this.hour, this.minute, this.second, this.microsecond, precision);
  }

  /** As in ISO 8601: `'23:00:07.001'`. */
  toString(): string {
    const [hour, minute, second] = [this.hour, this.minute, this.second].map((part) =>
      String(part).padStart(2, '0'),
    );
    const decimals = String(this.microsecond).padStart(6, '0').slice(0, this.precision);
    return `${hour}:${minute}:${second}${decimals === '' ? '' : `.${decimals}`}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [toTerm](): Map<Atom, unknown> {
    const { hour, minute, second, microsecond, precision } = this;
    return struct('Time', {
      calendar: ISO,
      hour,
      minute,
      second,
      microsecond: tuple(microsecond, precision),
    });
  }

  [inspectSymbol](_depth: number | null, options: PrinterOptions): string {
    return options.stylize(`Time(${this.toString()})`, 'date');
  }
}

function placesOf(microsecond: number): number {
  return String(microsecond).padStart(6, '0').replace(/0+$/, '').length;
}

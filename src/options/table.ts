import { OptionError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';

export interface OptionType<T> {
  /** Follows "takes" in messages. */
  readonly takes: string;
  accepts(value: unknown): value is T;
}

/** The doc comment of an option is its public documentation. */
export interface Option<T> {
  readonly type: OptionType<T>;
  readonly fallback: T;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

export type Values<Table extends OptionTable> = {
  -readonly [Name in keyof Table]: Table[Name] extends Option<infer T> ? T : never;
};

/** `scripts/options.mjs` writes the properties of interfaces that extend this into the declarations. */
export type OptionsOf<Table extends OptionTable> = {
  readonly [Name in keyof Table]?: Values<Table>[Name] | undefined;
};

/** @param what follows the option's name in the message */
export function refuseOption(option: string, what: string, cause?: unknown): OptionError {
  const fields = cause === undefined ? { option } : { option, cause };
  return new OptionError(`option '${option}' ${what}`, fields);
}

export function option<T>(type: OptionType<T>, fallback: T): Option<T> {
  return { type, fallback };
}

export function fallbacks<Table extends OptionTable>(table: Table): Values<Table> {
  const entries = Object.entries(table).map(([name, { fallback }]) => [name, fallback]);
  return Object.fromEntries(entries) as Values<Table>;
}

/**
 * Only own properties count, each is read once, and undefined means not given.
 *
 * @param subject follows "option of" in messages
 */
export function readOptions<Table extends OptionTable, Base extends Values<Table> = Values<Table>>(
  table: Table,
  input: unknown,
  subject: string,
  base: Base = fallbacks(table) as Base,
  prefix = '',
): Base {
  const values: Record<string, unknown> = { ...base };
  for (const [name, value] of entriesOf(input, subject)) {
    if (!Object.hasOwn(table, name)) throw unknownOption(name, Object.keys(table), subject, prefix);
    if (value === undefined) continue;
    const { type } = table[name]!;
    if (!type.accepts(value)) {
      const given = inspectBriefly(value, 100);
      const full = `${prefix}${name}`;
      throw refuseOption(full, `takes ${type.takes}, not ${given}`);
    }
    values[name] = value;
  }
  return values as Base;
}

function entriesOf(input: unknown, subject: string): [string, unknown][] {
  if (input === undefined || input === null) return [];
  if (typeof input !== 'object' || Array.isArray(input)) {
    throw new OptionError(
      `the options of ${subject} must be an object, not ${inspectBriefly(input, 100)}`,
      { option: 'options' },
    );
  }
  return Object.entries(input);
}

function unknownOption(
  name: string,
  known: readonly string[],
  subject: string,
  prefix: string,
): OptionError {
  const closest = closestName(name, known);
  const advice =
    closest === undefined ? `the options are ${known.join(', ')}` : `did you mean '${closest}'?`;
  return new OptionError(`unknown option ${inspectBriefly(name, 100)} of ${subject}; ${advice}`, {
    option: `${prefix}${name}`,
  });
}

function closestName(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string): string => text.slice(0, 64).toLowerCase();
  const given = plain(name);
  let closest: string | undefined;
  let smallest = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(given, plain(candidate));
    if (distance < smallest) {
      smallest = distance;
      closest = candidate;
    }
  }
  return closest;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

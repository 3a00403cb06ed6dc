import type { Terminal } from './terminal.js';
import { UsageError } from './usage-error.js';

/** A flag of a command, such as `--port`. */
export interface Flag {
  /** What stands after it in help, such as `PATH`; none: it is there or not. */
  readonly value?: string;
  /** A letter of its own. */
  readonly short?: string;
  /** Whether it may be given more than once. */
  readonly multiple?: boolean;
  readonly help: string;
}

export type FlagTable = Readonly<Record<string, Flag>>;

/** The flags that were given, by name. */
export interface Flags {
  text(name: string): string | undefined;
  list(name: string): readonly string[];
  has(name: string): boolean;
}

/** A command of `backwater`. */
export interface Command {
  readonly name: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** What stands after its name. */
  readonly usage: string;
  readonly flags: FlagTable;
  /** Paragraphs of help between the summary and the flags. */
  readonly details?: readonly string[];
  /** Command lines without `backwater`, and what they do. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** @returns the exit status */
  run(args: readonly string[], flags: Flags, terminal: Terminal): Promise<number>;
}

/** The arguments by their names, when there are as many as there have to be. */
export function takeArgs(
  args: readonly string[],
  names: readonly string[],
  rest = false,
): readonly string[] {
  const missing = names[args.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  const more = args[names.length];
  if (more !== undefined && !rest) throw new UsageError(`unexpected argument '${more}'`);
  return args;
}

/** The number that a flag was given. */
export function numberOf(
  flags: Flags,
  name: string,
  { min, max }: { min: number; max: number },
): number | undefined {
  const text = flags.text(name);
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) {
    throw new UsageError(`--${name} takes an integer from ${min} to ${max}, not '${text}'`);
  }
  return value;
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The time that a flag was given, in milliseconds. */
export function timeOf(flags: Flags, name: string): number | undefined {
  const text = flags.text(name);
  if (text === undefined) return undefined;
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const time = parts === null ? 0 : Math.round(Number(parts[1]) * UNITS[parts[2]!]!);
  if (time < 1 || time > 2 ** 31 - 1) {
    throw new UsageError(
      `--${name} takes a time of 1ms to 596h, such as 500ms, 10s or 2m, not '${text}'`,
    );
  }
  return time;
}

/** One of the words that a flag takes; the first when it was not given. */
export function choiceOf<const Word extends string>(
  flags: Flags,
  name: string,
  words: readonly [Word, ...Word[]],
): Word {
  const text = flags.text(name);
  if (text === undefined) return words[0];
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${name} takes ${words.join(', ')}, not '${text}'`);
}

import type { Terminal } from './terminal.js';
import { UsageError } from './usage-error.js';

export interface Flag {
  /** The placeholder in help; a flag without one takes no value. */
  readonly value?: string;
  readonly short?: string;
  readonly multiple?: boolean;
  readonly help: string;
}

export type FlagTable = Readonly<Record<string, Flag>>;

export interface Flags {
  text(name: string): string | undefined;
  list(name: string): readonly string[];
  has(name: string): boolean;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  readonly flags: FlagTable;
  /** Flags that several commands share. */
  readonly connection?: FlagTable;
  readonly details?: readonly string[];
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** @returns the exit status */
  run(args: readonly string[], flags: Flags, terminal: Terminal): Promise<number>;
}

export function takeArgs(
  args: readonly string[],
  names: readonly string[],
  rest = false,
): readonly string[] {
  const missing = names[args.length];
  if (missing !== undefined) throw new UsageError(`missing argument ${missing}`);
  const more = args[names.length];
  if (more !== undefined && !rest) throw new UsageError(`unexpected argument '${more}'`);
  return args;
}

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

/** In milliseconds. */
export function timeOf(flags: Flags, name: string): number | undefined {
  const text = flags.text(name);
  if (text === undefined) return undefined;
  const parts = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const time = parts === null ? 0 : Math.round(Number(parts[1]) * UNITS[parts[2]!]!);
  if (time < 1 || time > 2 ** 31 - 1) {
    throw new UsageError(
      `--${name} takes a time from 1ms to 596h, such as 500ms, 10s or 2m, not '${text}'`,
    );
  }
  return time;
}

/** The first word is the default. */
export function choiceOf<const Word extends string>(
  flags: Flags,
  name: string,
  words: readonly [Word, ...Word[]],
): Word {
  const text = flags.text(name);
  if (text === undefined) return words[0];
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  const choices = `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
  throw new UsageError(`--${name} takes ${choices}, not '${text}'`);
}

import { types } from 'node:util';
import type { TraceHeaders } from '../options/metadata.js';
import type { OptionType } from '../options/table.js';
import { attempt } from '../platform/inspect.js';
import { type AbortSignalLike, isAbortSignal } from '../platform/realms.js';

/** The limits that a call inherits from its parent, such as a {@link CallContext}. */
export interface ParentCall {
  /** Also aborts the call. */
  readonly signal?: AbortSignalLike | undefined;
  /** When the call must end. */
  readonly deadline?: Date | number | undefined;
  /** @internal */
  readonly trace?: TraceHeaders | undefined;
}

export interface TimeBound {
  readonly option: 'timeout' | 'deadline' | 'parent';
  /** In milliseconds. */
  readonly limit: number;
}

// Taken now: tests replace Date and its methods.
const getTime = Date.prototype.getTime;

export function isDate(value: unknown): value is Date {
  return types.isDate(value) && !Number.isNaN(getTime.call(value));
}

export function timeOf(date: Date | number): number {
  return typeof date === 'number' ? date : getTime.call(date);
}

export const deadline: OptionType<Date | number | undefined> = {
  takes: 'a valid Date, or milliseconds since 1970',
  accepts: isDeadline,
};

function isDeadline(value: unknown): value is Date | number {
  return typeof value === 'number' ? Number.isFinite(value) : isDate(value);
}

export const parent: OptionType<ParentCall | undefined> = {
  takes: 'the context of the call that this one is made for',
  accepts: (value): value is ParentCall => {
    if (typeof value !== 'object' || value === null) return false;
    const found = attempt(() => {
      const { signal, deadline: date } = value as Record<string, unknown>;
      const isBounded = signal !== undefined || date !== undefined;
      return (
        (isBounded || Object.hasOwn(value, 'trace')) &&
        (signal === undefined || isAbortSignal(signal)) &&
        (date === undefined || isDeadline(date))
      );
    });
    return found === true;
  },
};

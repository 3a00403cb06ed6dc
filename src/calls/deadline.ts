import { types } from 'node:util';
import type { TraceHeaders } from '../options/metadata.js';
import type { AbortSignalLike } from '../platform/realms.js';

/** What a call takes over from the call that it is made for. A {@link CallContext} has it all. */
export interface ParentCall {
  /** Aborts the call too. */
  readonly signal?: AbortSignalLike | undefined;
  /** The call ends by then. */
  readonly deadline?: Date | number | undefined;
  /** @internal The trace that both belong to. */
  readonly trace?: TraceHeaders | undefined;
}

/** The option that limits the time of a call as a whole, and how long the call may take. */
export interface TimeBound {
  readonly option: 'timeout' | 'deadline' | 'parent';
  /** In milliseconds. */
  readonly limit: number;
}

// Taken now: tests replace Date and its methods.
const getTime = Date.prototype.getTime;

/** Whether a value is a valid Date of any realm. */
export function isDate(value: unknown): value is Date {
  return types.isDate(value) && !Number.isNaN(getTime.call(value));
}

/** Milliseconds since 1970; `date` may be of another realm. */
export function timeOf(date: Date | number): number {
  return typeof date === 'number' ? date : getTime.call(date);
}

import { type ParentCall, type TimeBound, timeOf } from '../calls/deadline.js';
import { TimeoutError } from '../errors/errors.js';
import { dateNow } from '../platform/host.js';
import type { TraceHeaders } from '../options/metadata.js';
import type { CallSettings } from './options.js';
import { abortReason, offAbort, onAbort } from './abort.js';

/**
 * Turns `deadline` and `parent` into a `timeout`, and a signal of `parent` alone into `signal`.
 *
 * @throws {@link TimeoutError} if the deadline has passed
 */
export function beginning<Settings extends CallSettings>(settings: Settings): Settings {
  const { parent, deadline } = settings;
  if (parent === undefined && deadline === undefined) return settings;
  let { timeout } = settings;
  let bound: TimeBound | undefined;
  const consider = (option: TimeBound['option'], date: Date | number | undefined): void => {
    if (date === undefined) return;
    const left = Math.ceil(timeOf(date) - dateNow());
    if (left > timeout || left >= MAX_UINT32) return;
    timeout = left;
    bound = { option, limit: Math.max(left, 0) };
  };
  consider('deadline', deadline);
  consider('parent', parent?.deadline);
  if (bound !== undefined && timeout <= 0) throw overdue('queued', bound);
  return {
    ...settings,
    signal: settings.signal ?? parent?.signal,
    timeout,
    bound,
    trace: settings.trace ?? traceOf(parent),
  };
}

function traceOf(parent: ParentCall | undefined): TraceHeaders | undefined {
  const trace: unknown = parent?.trace;
  return typeof trace === 'object' && trace !== null ? trace : undefined;
}

/** For the addon, which takes 32 bits. The largest number means no limit. */
export function milliseconds(time: number): number {
  return Number.isFinite(time) ? time : MAX_UINT32;
}

export const MAX_UINT32 = 2 ** 32 - 1;

export function overdue(phase: 'queued' | 'interceptors', bound: TimeBound): TimeoutError {
  const { option, limit } = bound;
  return new TimeoutError({ phase, times: NO_TIMES, option, limit });
}

const NO_TIMES = { queued: 0, resolve: 0, connect: 0, tls: 0, send: 0, wait: 0, receive: 0 };

export interface EitherSignal {
  readonly signal: AbortSignal;
  /** Removes the listeners, because the sources may live much longer. */
  release(): void;
}

/** Undefined unless both the call and its parent have a signal. Neither may have aborted. */
export function eitherSignal({ signal, parent }: CallSettings): EitherSignal | undefined {
  const inherited = parent?.signal;
  if (signal === undefined || inherited === undefined || signal === inherited) return undefined;
  const controller = new AbortController();
  const abort = (): void => controller.abort(abortReason(signal));
  const abortInherited = (): void => controller.abort(abortReason(inherited));
  onAbort(signal, abort);
  onAbort(inherited, abortInherited);
  return {
    signal: controller.signal,
    release: () => {
      offAbort(signal, abort);
      offAbort(inherited, abortInherited);
    },
  };
}

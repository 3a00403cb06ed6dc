import { type ParentCall, type TimeBound, timeOf } from '../calls/deadline.js';
import { TimeoutError } from '../errors/errors.js';
import { dateNow } from '../platform/host.js';
import type { AbortSignalLike } from '../platform/realms.js';
import type { TraceHeaders } from '../options/metadata.js';
import type { CallSettings } from './options.js';
import { abortReason, offAbort, onAbort } from './abort.js';

/**
 * Turns `deadline` and `parent` into a `timeout`.
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
  return { ...settings, timeout, bound, trace: settings.trace ?? traceOf(parent) };
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

export class EitherSignal {
  readonly #controller = new AbortController();
  readonly #sources: readonly AbortSignalLike[];
  readonly #actions: readonly (() => void)[];

  /** @param sources none of them aborted */
  constructor(sources: readonly AbortSignalLike[]) {
    this.#sources = sources;
    this.#actions = sources.map((source) => () => this.#controller.abort(abortReason(source)));
    for (const [index, source] of sources.entries()) onAbort(source, this.#actions[index]!);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Removes the listeners, because the sources may live much longer. */
  release(): void {
    for (const [index, source] of this.#sources.entries()) offAbort(source, this.#actions[index]!);
  }
}

import { Buffer } from 'node:buffer';
import { randomFillSync } from 'node:crypto';
import { bridge, type Timer } from '../bridge/bridge.js';
import { callChannel, isTraced, traceCall, type TracedCall } from '../calls/channels.js';
import { isDate, type TimeBound, timeOf } from '../calls/deadline.js';
import { chain, type InterceptedCall, refused } from '../calls/interceptor.js';
import { Metadata } from '../options/metadata.js';
import type { CallSettings } from './options.js';
import { rejection } from '../platform/call-stack.js';
import { dateNow, now } from '../platform/host.js';
import { inspectBriefly } from '../platform/inspect.js';
import { isAbortSignal } from '../platform/realms.js';
import { abortReason, offAbort, onAbort } from './abort.js';
import { checkCall } from './check-call.js';
import { overdue } from './limits.js';

/** The server that a client calls. */
export interface ServerAddress {
  readonly address: string;
  readonly port?: number | undefined;
}

/** A call as the user has made it. */
interface GivenCall {
  readonly module: string;
  readonly fn: string;
  readonly args: readonly unknown[];
  readonly settings: CallSettings;
  readonly server: ServerAddress | undefined;
}

/** Sends a call, and repeats it if its settings say so. */
type Send = (call: Omit<GivenCall, 'server'>) => Promise<unknown>;

/** Runs a call through the interceptors and the tracing channel. The client has checked it. */
export function intercept(given: GivenCall, send: Send): Promise<unknown> {
  const call = interceptedCall(given);
  const run = (): Promise<unknown> => new InterceptedRun(given, call, send).settled;
  return isTraced(callChannel) ? traceCall(callChannel, call, run) : run();
}

function interceptedCall({ module, fn, args, settings, server }: GivenCall): TracedCall {
  const { timeout, signal, metadata, trace } = settings;
  return {
    side: 'client',
    module,
    function: fn,
    args: Array.prototype.slice.call(args),
    metadata: new Map(metadata?.entries),
    trace: { ...trace },
    requestId: newRequestId(),
    signal: signal as AbortSignal | undefined,
    deadline: Number.isFinite(timeout) ? new Date(dateNow() + timeout) : undefined,
    server,
    context: undefined,
  };
}

/** How long interceptors may take, in milliseconds, to handle that the time is up. */
const GRACE = 10;

/**
 * Settles a call once: with what its interceptors answer, when its signal aborts, or when its time is up,
 * whatever the interceptors do.
 */
class InterceptedRun {
  readonly settled: Promise<unknown>;
  readonly #settings: CallSettings;
  readonly #bound: TimeBound;
  readonly #deadline: Date | undefined;
  readonly #endsAt: number;
  readonly #send: Send;
  #sending = 0;

  constructor({ settings }: GivenCall, call: InterceptedCall, send: Send) {
    const { timeout, interceptors = [] } = settings;
    this.#settings = settings;
    this.#bound = settings.bound ?? { option: 'timeout', limit: timeout };
    this.#deadline = call.deadline;
    this.#endsAt = now() + timeout;
    this.#send = send;
    const next = chain(interceptors, this.#transmit, again);
    this.settled = this.#settle(() => next(call));
  }

  async #settle(run: () => Promise<unknown>): Promise<unknown> {
    const { signal, timeout } = this.#settings;
    let timer: Timer | undefined;
    let end!: (failure: Promise<never>) => void;
    let hasEnded = false;
    const interrupted = new Promise<never>((resolve) => (end = resolve));
    const interrupt = (fail: () => Promise<never>): void => {
      // A second failure would have no one to handle it.
      if (!hasEnded) end(fail());
      hasEnded = true;
    };
    const abort = (): void => interrupt(() => Promise.reject(abortReason(signal!)));
    const expire = (): void => {
      // Requests under way end by themselves, and their errors say more.
      if (this.#sending > 0) timer = bridge.startTimer(expire, GRACE);
      else interrupt(() => rejection(overdue('interceptors', this.#bound)));
    };
    bridge.hold();
    if (signal !== undefined) onAbort(signal, abort);
    if (Number.isFinite(timeout)) {
      timer = bridge.startTimer(() => (timer = bridge.startTimer(expire, GRACE)), timeout);
    }
    try {
      return await Promise.race([run(), interrupted]);
    } finally {
      timer?.stop();
      if (signal !== undefined) offAbort(signal, abort);
      bridge.release();
    }
  }

  readonly #transmit = async (call: InterceptedCall): Promise<unknown> => {
    const { module, function: fn, args } = call;
    checkCall(module, fn, args);
    const settings = this.#settingsOf(call);
    this.#sending++;
    try {
      return await this.#send({ module, fn, args, settings });
    } finally {
      this.#sending--;
    }
  };

  #settingsOf({ signal, deadline, metadata, trace, requestId }: InterceptedCall): CallSettings {
    if (signal !== undefined && !isAbortSignal(signal)) {
      throw refused(`'signal' takes an AbortSignal, not ${inspectBriefly(signal, 100)}`);
    }
    if (deadline !== undefined && !isDate(deadline)) {
      throw refused(`'deadline' takes a Date, not ${inspectBriefly(deadline, 100)}`);
    }
    let timeout = Math.ceil(this.#endsAt - now());
    let bound = this.#bound;
    if (deadline !== undefined && deadline !== this.#deadline) {
      const left = Math.ceil(timeOf(deadline) - dateNow());
      if (left < timeout) {
        timeout = left;
        bound = { option: 'deadline', limit: Math.max(left, 0) };
      }
    }
    if (timeout <= 0) throw overdue('interceptors', bound);
    return {
      ...this.#settings,
      signal,
      timeout,
      bound,
      metadata: Metadata.of(metadata),
      trace,
      requestId: checkRequestId(requestId),
    };
  }
}

/** A call that `next` makes once more: servers may take a second request of the same name for a replay. */
function again(call: InterceptedCall): InterceptedCall {
  return { ...call, requestId: newRequestId() };
}

/** Sixteen bytes in base64. */
const REQUEST_ID = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

function checkRequestId(id: unknown): string {
  if (typeof id === 'string' && REQUEST_ID.test(id)) return id;
  throw refused(`'requestId' must not be changed to ${inspectBriefly(id, 100)}`);
}

/** Random bytes, of which the first have been used. */
const random = Buffer.alloc(1024);
let used = random.length;

function newRequestId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += 16;
  return random.toString('base64', used - 16, used);
}

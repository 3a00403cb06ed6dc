import { Buffer } from 'node:buffer';
import { randomFillSync } from 'node:crypto';
import { bridge, type Timer } from '../bridge/bridge.js';
import { callChannel, isTraced, traceCall, type TracedCall } from '../calls/channels.js';
import { FLAG_STREAM } from '../codec/control.js';
import { isDate, type TimeBound, timeOf } from '../calls/deadline.js';
import { chain, type InterceptedCall, type Next, refused } from '../calls/interceptor.js';
import { Metadata } from '../options/metadata.js';
import type { CallSettings } from './options.js';
import { rejection } from '../platform/call-stack.js';
import { dateNow, now } from '../platform/host.js';
import { inspectBriefly } from '../platform/inspect.js';
import { isAbortSignal } from '../platform/realms.js';
import { abortReason, offAbort, onAbort } from './abort.js';
import { checkCall } from './check-call.js';
import { overdue } from './limits.js';

export interface ServerAddress {
  readonly address: string;
  readonly port?: number | undefined;
}

export interface GivenCall {
  readonly module: string;
  readonly fn: string;
  readonly args: readonly unknown[];
  readonly settings: CallSettings;
  readonly server: ServerAddress | undefined;
}

export type Send = (call: Omit<GivenCall, 'server'>) => Promise<unknown>;

export function intercept(given: GivenCall, send: Send): Promise<unknown> {
  const call = interceptedCall(given);
  const run = (): Promise<unknown> => new InterceptedRun(given, call, send).settled;
  return isTraced(callChannel) ? traceCall(callChannel, call, run) : run();
}

export function interceptedCall({ module, fn, args, settings, server }: GivenCall): TracedCall {
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
    stream: (settings.flags & FLAG_STREAM) !== 0,
    server,
    context: undefined,
  };
}

/** Milliseconds for interceptors to handle a timeout. */
const GRACE = 10;

export type Interrupt = (fail: () => Promise<never>) => void;

export abstract class Interception {
  protected readonly pass: Next;
  protected sending = 0;
  readonly #settings: CallSettings;
  readonly #bound: TimeBound;
  readonly #deadline: Date | undefined;
  readonly #endsAt: number;

  constructor({ settings }: GivenCall, call: InterceptedCall) {
    const { timeout, interceptors = [] } = settings;
    this.#settings = settings;
    this.#bound = settings.bound ?? { option: 'timeout', limit: timeout };
    this.#deadline = call.deadline;
    this.#endsAt = now() + timeout;
    this.pass = chain(interceptors, (passed) => this.#transmit(passed), again);
  }

  protected abstract send(call: Omit<GivenCall, 'server'>): Promise<unknown>;

  /** Calls `interrupt` when the call aborts or times out, unless the returned function is called first. */
  protected watch(interrupt: Interrupt): () => void {
    const { signal, timeout } = this.#settings;
    let timer: Timer | undefined;
    const abort = (): void => interrupt(() => Promise.reject(abortReason(signal!)));
    const expire = (): void => {
      // Requests in progress time out on their own, with better errors.
      if (this.sending > 0) timer = bridge.startTimer(expire, GRACE);
      else interrupt(() => rejection(overdue('interceptors', this.#bound)));
    };
    bridge.hold();
    if (signal !== undefined) onAbort(signal, abort);
    if (Number.isFinite(timeout)) {
      timer = bridge.startTimer(() => (timer = bridge.startTimer(expire, GRACE)), timeout);
    }
    return () => {
      timer?.stop();
      if (signal !== undefined) offAbort(signal, abort);
      bridge.release();
    };
  }

  async #transmit(call: InterceptedCall): Promise<unknown> {
    const { module, function: fn, args } = call;
    checkCall(module, fn, args);
    return await this.send({ module, fn, args, settings: this.#settingsOf(call) });
  }

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

class InterceptedRun extends Interception {
  readonly settled: Promise<unknown>;
  readonly #send: Send;

  constructor(given: GivenCall, call: InterceptedCall, send: Send) {
    super(given, call);
    this.#send = send;
    this.settled = this.#settle(() => this.pass(call));
  }

  async #settle(run: () => Promise<unknown>): Promise<unknown> {
    let end!: (failure: Promise<never>) => void;
    let hasEnded = false;
    const interrupted = new Promise<never>((resolve) => (end = resolve));
    const unwatch = this.watch((fail) => {
      // A second rejection would be unhandled.
      if (!hasEnded) end(fail());
      hasEnded = true;
    });
    try {
      return await Promise.race([run(), interrupted]);
    } finally {
      unwatch();
    }
  }

  protected override async send(call: Omit<GivenCall, 'server'>): Promise<unknown> {
    this.sending++;
    try {
      return await this.#send(call);
    } finally {
      this.sending--;
    }
  }
}

/** Servers would take a second request with the same id for a replay. */
function again(call: InterceptedCall): InterceptedCall {
  return { ...call, requestId: newRequestId() };
}

/** Sixteen bytes in base64. */
const REQUEST_ID = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

function checkRequestId(id: unknown): string {
  if (typeof id === 'string' && REQUEST_ID.test(id)) return id;
  throw refused(`'requestId' must not be changed to ${inspectBriefly(id, 100)}`);
}

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

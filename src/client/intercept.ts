import { Buffer } from 'node:buffer';
import { randomFillSync } from 'node:crypto';
import { bridge, type Timer } from '../bridge/bridge.js';
import { callChannel, traceCall, type TracedCall } from '../calls/channels.js';
import { FLAG_STREAM } from '../codec/control.js';
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

export interface ServerAddress {
  readonly address: string;
  readonly port?: number | undefined;
}

/** The public function. The stacks of errors begin at its caller. */
export type Called = (...args: never[]) => unknown;

export interface Call {
  readonly module: string;
  readonly fn: string;
  readonly args: readonly unknown[];
  readonly settings: CallSettings;
  readonly called: Called;
}

type Send = (call: Call) => Promise<unknown>;

export function intercept(
  given: Call,
  server: ServerAddress | undefined,
  send: Send,
): Promise<unknown> {
  const call = interceptedCall(given, server);
  return traceCall(callChannel, call, () => new InterceptedRun(given, call, send).run());
}

export function interceptedCall(
  { module, fn, args, settings }: Call,
  server: ServerAddress | undefined,
): TracedCall {
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

/** Must be released with `unwatch`. */
export abstract class Interception {
  protected readonly call: TracedCall;
  protected readonly pass: () => Promise<unknown>;
  protected readonly unwatch: () => void;
  protected sending = 0;
  readonly #given: Call;
  readonly #bound: TimeBound;
  readonly #deadline: Date | undefined;
  readonly #endsAt: number;
  #interruption: (() => Promise<never>) | undefined;
  #interrupt: ((failure: Promise<never>) => void) | undefined;

  constructor(given: Call, call: TracedCall) {
    const { timeout, interceptors = [], bound } = given.settings;
    this.#given = given;
    this.#bound = bound ?? { option: 'timeout', limit: timeout };
    this.#deadline = call.deadline;
    this.#endsAt = now() + timeout;
    this.call = call;
    const first = chain(interceptors, (passed) => this.#transmit(passed), again);
    this.pass = () => first(call);
    this.unwatch = this.#watch();
  }

  protected abstract send(call: Call): Promise<unknown>;

  /** Settles like the promise, unless the call is interrupted first. */
  protected interruptible<T>(promise: PromiseLike<T> | T): Promise<Awaited<T>> {
    return new Promise((resolve, reject) => {
      this.#interrupt = resolve;
      Promise.resolve(promise).then(resolve, reject);
      if (this.#interruption !== undefined) resolve(this.#interruption());
    });
  }

  protected interrupt(fail: () => Promise<never>): void {
    this.#interruption ??= fail;
    const failure = fail();
    // There may be nothing to interrupt.
    failure.catch(() => {});
    this.#interrupt?.(failure);
  }

  /** Interrupts the call when it aborts or times out, unless the returned function is called first. */
  #watch(): () => void {
    const { signal, timeout } = this.#given.settings;
    let timer: Timer | undefined;
    const abort = (): void => this.interrupt(() => Promise.reject(abortReason(signal!)));
    const expire = (): void => {
      // Requests in progress time out on their own, with better errors.
      if (this.sending > 0) timer = bridge.startTimer(expire, GRACE);
      else this.interrupt(() => rejection(overdue('interceptors', this.#bound)));
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
    const { called } = this.#given;
    return await this.send({ module, fn, args, settings: this.#settingsOf(call), called });
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
      ...this.#given.settings,
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
  readonly #send: Send;

  constructor(given: Call, call: TracedCall, send: Send) {
    super(given, call);
    this.#send = send;
  }

  async run(): Promise<unknown> {
    try {
      return await this.interruptible(this.pass());
    } finally {
      this.unwatch();
    }
  }

  protected override async send(call: Call): Promise<unknown> {
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

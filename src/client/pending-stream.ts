import type { AsyncResource } from 'node:async_hooks';
import { bridge, type Pending } from '../bridge/bridge.js';
import { requestIdOf, setRequestId } from '../bridge/request-id.js';
import { readArrival } from '../codec/decoder.js';
import { reviversOf } from '../codec/revivers.js';
import type { Arrival } from '../codec/tape-buffers.js';
import { BackwaterError } from '../errors/errors.js';
import { rejection } from '../platform/call-stack.js';
import { contextOfCaller } from '../platform/host.js';
import { isTuple } from '../terms/tuple.js';
import { abortReason, offAbort, onAbort } from './abort.js';
import { exceptionOf, failureOf, type MadeCall } from './call-end.js';
import type { StreamSource } from './item-stream.js';
import { CANCELLED, countFailure, REMOTE_EXCEPTION, type Tally } from './pending-call.js';

type Step = IteratorResult<unknown, undefined>;

interface Waiting {
  readonly resolve: (step: Step | Promise<Step>) => void;
  /** Kept reachable. */
  readonly consumer: object;
}

const NONE: readonly unknown[] = [];

/**
 * Items arrive in arrays. Taking the first item of an array requests the next array, so there are two at
 * most.
 */
export class PendingStream implements Pending, StreamSource {
  readonly #tally: Tally;
  readonly #call: MadeCall;
  readonly #release: () => void;
  #id = 0;
  #size = 0;
  #items = NONE;
  #taken = 0;
  #arrays: (readonly unknown[])[] = [];
  #waiting: Waiting[] = [];
  #onOpened: ((failed?: Promise<never>) => void) | undefined;
  #hasEnded = false;
  /** Thrown after the last item. */
  #failure: { readonly error: unknown; readonly isRemote: boolean } | undefined;
  #cancel: (() => void) | undefined;
  #scope: AsyncResource | undefined;

  /** @param release called once, when no item remains to arrive or to be taken */
  constructor(tally: Tally, call: MadeCall, release: () => void) {
    this.#tally = tally;
    this.#call = call;
    this.#release = release;
  }

  begun(id: number, size: number): void {
    this.#id = id;
    this.#size = size;
    this.#tally.pending++;
    this.#tally.bytes += size;
    const { signal, revivers } = this.#call.settings;
    if (reviversOf(revivers) !== undefined) this.#scope = contextOfCaller('BackwaterReply');
    if (signal === undefined) return;
    this.#cancel = () => {
      if (this.#giveUp()) countFailure(this.#tally, { code: CANCELLED });
      this.#fail(abortReason(signal));
    };
    if (signal.aborted) this.#cancel();
    else onAbort(signal, this.#cancel);
  }

  /** Resolves with the first items or the end. */
  opened(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#hasEnded) resolve(this.#failedFirst());
      else this.#onOpened = resolve;
    });
  }

  next(consumer: object): Promise<Step> {
    if (this.#taken < this.#items.length) {
      return Promise.resolve({ value: this.#items[this.#taken++], done: false });
    }
    const step = this.#step();
    if (step !== undefined) return Promise.resolve(step);
    return new Promise((resolve) => this.#waiting.push({ resolve, consumer }));
  }

  #step(): Step | Promise<Step> | undefined {
    while (this.#taken === this.#items.length) {
      this.#items = NONE;
      this.#taken = 0;
      const items = this.#arrays.shift();
      if (items === undefined) return this.#hasEnded ? this.#end() : undefined;
      this.#items = items;
      if (!this.#hasEnded) bridge.pull(this.#id);
    }
    return { value: this.#items[this.#taken++], done: false };
  }

  #end(): Step | Promise<Step> {
    const failure = this.#failure;
    this.#failure = undefined;
    this.#finish();
    if (failure !== undefined) return rejection(failure.error, failure.isRemote);
    return { value: undefined, done: true };
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      const step = this.#step();
      if (step === undefined) return;
      this.#waiting.shift()!.resolve(step);
    }
  }

  #open(): void {
    this.#tally.bytes -= this.#size;
    this.#size = 0;
    this.#onOpened?.(this.#failedFirst());
    this.#onOpened = undefined;
  }

  #failedFirst(): Promise<never> | undefined {
    const failure = this.#failure;
    if (failure === undefined || this.#arrays.length > 0) return undefined;
    this.#failure = undefined;
    return rejection(failure.error, failure.isRemote);
  }

  onItems(arrival: Arrival): void {
    let items: unknown;
    try {
      items = this.#read(arrival);
    } catch (error) {
      this.#giveUp();
      this.#failWith(BackwaterError.from(error), requestIdOf(arrival));
      return;
    }
    this.#arrays.push(items as unknown[]);
    this.#open();
    this.#deliver();
  }

  onEnd(): void {
    this.#settle();
    this.#open();
    this.#deliver();
  }

  onReturn(arrival: Arrival): void {
    try {
      const value = this.#read(arrival);
      this.#arrays.push(itemsOf(value));
    } catch (error) {
      this.#failWith(BackwaterError.from(error), requestIdOf(arrival));
      return;
    }
    this.onEnd();
  }

  onException(arrival: Arrival): void {
    const requestId = requestIdOf(arrival);
    let error: unknown;
    try {
      const { settings } = this.#call;
      error = this.#run(() => exceptionOf(arrival, settings));
    } catch (failure) {
      this.#failWith(BackwaterError.from(failure), requestId);
      return;
    }
    countFailure(this.#tally, { code: REMOTE_EXCEPTION });
    setRequestId(error, requestId);
    this.#fail(error, true);
  }

  onFailure(error: Error, requestId?: string): void {
    this.#failWith(failureOf(error, this.#call), requestId);
  }

  #failWith(error: Error, requestId: string | undefined): void {
    countFailure(this.#tally, error);
    setRequestId(error, requestId);
    this.#fail(error);
  }

  #fail(error: unknown, isRemote = false): void {
    this.#failure = { error, isRemote };
    this.onEnd();
  }

  end(): Promise<void> {
    this.#giveUp();
    this.#failure = undefined;
    this.#finish();
    this.onEnd();
    return Promise.resolve();
  }

  /** Returns false if the stream had ended. */
  #giveUp(): boolean {
    this.#items = NONE;
    this.#taken = 0;
    this.#arrays = [];
    if (!bridge.forget(this.#id)) return false;
    bridge.cancel(this.#id);
    return true;
  }

  #settle(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#scope?.emitDestroy();
    this.#tally.pending--;
  }

  #finish(): void {
    const cancel = this.#cancel;
    const { signal } = this.#call.settings;
    this.#cancel = undefined;
    if (signal !== undefined && cancel !== undefined) offAbort(signal, cancel);
    if (!this.#isReleased) this.#release();
    this.#isReleased = true;
  }
  #isReleased = false;

  #read(arrival: Arrival): unknown {
    const { terms, revivers } = this.#call.settings;
    return this.#run(() => readArrival(arrival, terms === 'exact', reviversOf(revivers)));
  }

  #run<T>(read: () => T): T {
    return this.#scope === undefined ? read() : this.#scope.runInAsyncScope(read);
  }
}

export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) && !isTuple(value) ? value : [value];
}

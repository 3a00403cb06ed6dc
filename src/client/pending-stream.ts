import { bridge } from '../bridge/bridge.js';
import { requestIdOf } from '../bridge/request-id.js';
import type { Arrival } from '../codec/tape-buffers.js';
import { rejection } from '../platform/call-stack.js';
import { isTuple } from '../terms/tuple.js';
import type { Call } from './intercept.js';
import type { StreamSource } from './item-stream.js';
import { PendingCall, type Tally } from './pending-call.js';

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
export class PendingStream extends PendingCall implements StreamSource {
  readonly #release: () => void;
  #items = NONE;
  #taken = 0;
  #arrays: (readonly unknown[])[] = [];
  #waiting: Waiting[] = [];
  #onOpened: ((failed?: Promise<never>) => void) | undefined;
  /** Thrown after the last item. */
  #failure: { readonly error: unknown; readonly isRemote: boolean } | undefined;

  /** @param release called once, when no item remains to arrive or to be taken */
  constructor(tally: Tally, call: Call, release: () => void) {
    super(tally, call);
    this.#release = release;
  }

  /** Resolves with the first items or the end. */
  opened(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isSettled) resolve(this.#failedFirst());
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
      if (items === undefined) return this.isSettled ? this.#end() : undefined;
      this.#items = items;
      if (!this.isSettled) bridge.pull(this.id);
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
    this.releaseArgs();
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
    this.inScope(this.#receive, arrival);
  }

  #receive(arrival: Arrival): void {
    let items: unknown;
    try {
      items = this.read(arrival);
    } catch (error) {
      this.giveUp();
      this.failWith(error, requestIdOf(arrival));
      return;
    }
    this.#arrays.push(items as unknown[]);
    this.#open();
    this.#deliver();
  }

  onEnd(): void {
    this.settle();
    this.#open();
    this.#deliver();
  }

  protected override succeed(value: unknown): void {
    this.#arrays.push(itemsOf(value));
    this.onEnd();
  }

  protected override abort(reason: unknown): void {
    this.fail(reason, false);
  }

  protected override fail(error: unknown, isRemote: boolean): void {
    this.#failure = { error, isRemote };
    this.onEnd();
  }

  /** Until the last item has been taken, the signal can still abort the stream. */
  protected override settle(): void {
    this.countEnd();
  }

  end(): Promise<void> {
    this.giveUp();
    this.#failure = undefined;
    this.#finish();
    this.onEnd();
    return Promise.resolve();
  }

  protected override giveUp(): boolean {
    this.#items = NONE;
    this.#taken = 0;
    this.#arrays = [];
    return super.giveUp();
  }

  #finish(): void {
    this.ignoreSignal();
    if (!this.#isReleased) this.#release();
    this.#isReleased = true;
  }
  #isReleased = false;
}

export function itemsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) && !isTuple(value) ? value : [value];
}

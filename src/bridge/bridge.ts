import { Buffer } from 'node:buffer';
import { JobQueue, type JobWriter } from './job-queue.js';
import { Gathering, OutgoingItems } from './outgoing-items.js';
import {
  CLASS_ERROR,
  CLASS_EXIT,
  CLASS_THROW,
  EVENT_ABANDONED,
  EVENT_CALL,
  EVENT_DONE,
  EVENT_END,
  EVENT_EXCEPTION,
  EVENT_FAILURE,
  EVENT_ITEMS,
  EVENT_RESOLVE,
  EVENT_RETURN,
  EVENT_SENT,
  EVENT_TIMER,
  EVENT_WORDS,
  EventWord,
  JOB_CANCEL,
  type JOB_END,
  type JOB_EXCEPTION,
  JOB_PULL,
  JOB_RETURN,
} from './numbers.js';
import type { EncoderSettings } from '../codec/encoder.js';
import type { Arrival, TapeBuffers } from '../codec/tape-buffers.js';
import { BackwaterError, type ExceptionClass } from '../errors/errors.js';
import { PendingTable } from './pending-table.js';
import { requestIdOf } from './request-id.js';
import { errorOf } from './failures.js';
import { environment, onEvents } from '../platform/environment.js';
import { now, runSoon } from '../platform/host.js';
import { Spinner } from './spinner.js';

/** Exactly one method besides `onItems` is called, once. */
export interface Pending {
  onReturn(arrival: Arrival): void;
  onException(arrival: Arrival): void;
  onDone?(): void;
  /** Never throws. */
  onItems?(arrival: Arrival): void;
  onEnd?(): void;
  onFailure(error: Error, requestId?: string): void;
}

export interface CallHandler {
  onCall(call: number, fn: number, arrival: Arrival): void;
  onBrokenCall(call: number, fn: number, error: unknown): void;
}

export interface Timer {
  stop(): void;
}

/** Rounds of events to handle before the event loop may do other work. */
const ROUNDS = 4;
/** Higher, because a worker thread takes one call at a time. */
const WORKER_ROUNDS = 64;

/** Each thread has one bridge. Jobs and events cross it in batches. */
class Bridge {
  readonly jobs: JobQueue;
  readonly spinner: Spinner;
  readonly #native = environment;
  readonly #pending = new PendingTable<Pending>();
  readonly #servers = new Map<number, CallHandler>();
  readonly #abandoned = new Map<number, (overdue: boolean) => void>();
  readonly #resolvers = new Map<number, () => void>();
  readonly #timers = new Map<number, () => void>();
  readonly #streams = new Map<number, OutgoingItems>();
  readonly #gathering: Gathering;
  readonly eventBuffers: TapeBuffers;
  #rounds = ROUNDS;
  /** Server calls in progress, without streams. */
  #running = 0;
  /** Operations that keep the process alive. */
  #holds = 0;

  constructor() {
    onEvents(() => this.#drain());
    this.jobs = new JobQueue(this.#native, (error) => this.#failAll(error));
    this.#gathering = new Gathering(this.jobs, () => this.#native.wakeLater());
    this.spinner = new Spinner(
      (microseconds) => this.#native.spin(microseconds),
      () => this.#drain(),
      // Without a server, every event belongs to a pending operation.
      () => (this.#pending.size > 0 || this.#servers.size > 0 ? this.#pending.size : Infinity),
      (microseconds) => this.#native.setIoSpin(microseconds),
    );
    this.eventBuffers = {
      words: new Uint32Array(128 * 1024),
      floats: new Float64Array(32 * 1024),
      bytes: Buffer.from(new ArrayBuffer(512 * 1024)),
    };
    const { words, floats, bytes } = this.eventBuffers;
    this.#native.attachEventBuffers(words, floats, bytes);
  }

  newId(): number {
    return this.#pending.newId();
  }

  /** Keeps the process alive until the operation ends. */
  begin(id: number, pending: Pending): void {
    this.#pending.set(id, pending);
    this.hold();
  }

  forget(id: number): Pending | undefined {
    const pending = this.#pending.take(id);
    if (pending !== undefined) this.release();
    return pending;
  }

  operation(start: (id: number) => void): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const misplaced = (): void => reject(new BackwaterError('an operation ended with a term'));
      const id = this.newId();
      this.begin(id, {
        onReturn: misplaced,
        onException: misplaced,
        onDone: resolve,
        onFailure: reject,
      });
      const begin = (): void => {
        try {
          // Earlier jobs come first.
          this.jobs.flush();
          start(id);
        } catch (error) {
          this.forget(id);
          reject(BackwaterError.from(error));
        }
      };
      // A getter of a value that is being encoded may have called this.
      if (this.jobs.isBusy) runSoon(begin);
      else begin();
    });
  }

  cancel(id: number): void {
    this.jobs.add(JOB_CANCEL, id, 0);
  }

  pull(id: number): void {
    this.jobs.add(JOB_PULL, id, 0);
  }

  addServer(id: number, handler: CallHandler): void {
    this.#servers.set(id, handler);
  }

  addResolver(client: number, resolve: () => void): void {
    this.#resolvers.set(client, resolve);
  }

  removeResolver(client: number): void {
    this.#resolvers.delete(client);
  }

  removeServer(id: number): void {
    this.#servers.delete(id);
  }

  attachServer(id: number, slot: number, handler: CallHandler): void {
    this.#servers.set(id, handler);
    this.#rounds = WORKER_ROUNDS;
    this.#native.attachServer(id, slot);
    this.hold();
  }

  /** `overdue` means that the deadline of the call has passed. */
  watchCaller(call: number, onGone: (overdue: boolean) => void): void {
    const overdue = this.#native.watchCaller(call);
    if (typeof overdue === 'boolean') onGone(overdue);
    else this.#abandoned.set(call, onGone);
  }

  unwatchCaller(call: number): void {
    this.#abandoned.delete(call);
  }

  /** `onDue` must not throw, and runs outside of any async context. */
  startTimer(onDue: () => void, milliseconds: number): Timer {
    const id = this.newId();
    this.#native.startTimer(id, Math.min(Math.ceil(milliseconds), MAX_UINT32));
    this.#timers.set(id, onDue);
    return {
      stop: () => {
        if (this.#timers.delete(id)) this.#native.stopTimer(id);
      },
    };
  }

  hold(): void {
    if (this.#holds++ === 0) this.#native.keepAlive(true);
  }

  release(): void {
    if (--this.#holds === 0) this.#native.keepAlive(false);
  }

  beginItems(call: number, settings: EncoderSettings): OutgoingItems {
    const items = new OutgoingItems(this.#gathering, call, settings);
    this.#streams.set(call, items);
    // A stream may last for days.
    this.#running--;
    return items;
  }

  answer(
    kind: typeof JOB_RETURN | typeof JOB_EXCEPTION | typeof JOB_END,
    call: number,
    write?: JobWriter,
    exceptionClass?: ExceptionClass,
  ): void {
    const flags = exceptionClass === undefined ? 0 : CLASSES[exceptionClass];
    const items = kind === JOB_RETURN ? undefined : this.#streams.get(call);
    items?.end();
    this.jobs.add(kind, call, flags, write);
    if (items === undefined) this.#running--;
    else this.#streams.delete(call);
  }

  /** Called from Rust, so it must never throw. */
  #drain(): void {
    this.#gathering.flush();
    this.#takeEvents();
    this.#gathering.keepPromise();
  }

  #takeEvents(): void {
    try {
      let latest = 0;
      for (let round = 0; round < this.#rounds; round++) {
        const count = this.#native.drain();
        if (count === 0) {
          if (latest > 0) this.spinner.onIdle(latest, this.#running);
          return;
        }
        latest = count;
        this.#dispatch(count);
        this.jobs.flush();
      }
      this.#native.wakeLater();
    } catch (error) {
      this.#failAll(error);
    }
  }

  /** Some events may be lost, and their operations would wait forever. */
  #failAll(error: unknown): void {
    try {
      const failure = BackwaterError.from(error);
      for (const id of this.#pending.ids()) this.forget(id)?.onFailure(failure);
    } catch {
      // Even the built-ins are broken. An exception would end the process.
    }
  }

  #dispatch(count: number): void {
    const { words } = this.eventBuffers;
    const began = count > 1 ? now() : 0;
    let at = 0;
    for (let index = 0; index < count; index++) {
      const start = at;
      at = start + words[start + EventWord.words]!;
      try {
        this.#handle(start, index > 0 ? began : undefined);
      } catch (error) {
        this.#failAll(error);
      }
    }
  }

  /** @param began when the first event of the batch was handled */
  #handle(start: number, began: number | undefined): void {
    const { words } = this.eventBuffers;
    const kind = words[start + EventWord.kind]!;
    const id = words[start + EventWord.id]!;
    if (kind === EVENT_CALL) {
      // The functions of earlier events may have been slow.
      const isLate = began !== undefined && now() - began > FRESH;
      if (!isLate || this.#native.isWaitedFor(id)) this.#call(id, start);
    } else if (kind === EVENT_ABANDONED) {
      take(this.#abandoned, id)?.(words[start + EventWord.first] !== 0);
    } else if (kind === EVENT_RESOLVE) {
      this.#resolvers.get(id)?.();
    } else if (kind === EVENT_TIMER) {
      take(this.#timers, id)?.();
    } else if (kind === EVENT_SENT) {
      this.#streams.get(id)?.onSent();
    } else if (kind === EVENT_ITEMS) {
      const first = words[start + EventWord.first]!;
      this.#pending.get(id)?.onItems?.(this.#arrival(start, first));
    } else {
      const pending = this.forget(id);
      if (pending !== undefined) this.#settle(pending, kind, start);
    }
  }

  #call(call: number, start: number): void {
    const { words } = this.eventBuffers;
    const handler = this.#servers.get(words[start + EventWord.first]!);
    if (handler === undefined) return;
    const fn = words[start + EventWord.second]!;
    this.#running++;
    try {
      handler.onCall(call, fn, this.#arrival(start, 0));
    } catch (error) {
      handler.onBrokenCall(call, fn, error);
    }
  }

  #settle(pending: Pending, kind: number, start: number): void {
    const { words } = this.eventBuffers;
    const first = words[start + EventWord.first]!;
    try {
      if (kind === EVENT_RETURN) pending.onReturn(this.#arrival(start, first));
      else if (kind === EVENT_EXCEPTION) pending.onException(this.#arrival(start, first));
      else if (kind === EVENT_DONE) pending.onDone?.();
      else if (kind === EVENT_END) pending.onEnd?.();
      else if (kind === EVENT_FAILURE) {
        const requestId = requestIdOf(this.#arrival(start, 0));
        pending.onFailure(errorOf(this.#native.takeFailure(first)), requestId);
      }
    } catch (error) {
      pending.onFailure(BackwaterError.from(error), requestIdOf(this.#arrival(start, 0)));
    }
  }

  #arrival(start: number, skip: number): Arrival {
    const large = this.eventBuffers.words[start + EventWord.slot]!;
    return { buffers: this.eventBuffers, frame: start + EVENT_WORDS, large, skip };
  }
}

const CLASSES = { error: CLASS_ERROR, exit: CLASS_EXIT, throw: CLASS_THROW } as const;

/** How long a check that callers are still waiting stays valid, in milliseconds. */
const FRESH = 2;
const MAX_UINT32 = 2 ** 32 - 1;

function take<T>(map: Map<number, T>, id: number): T | undefined {
  const value = map.get(id);
  map.delete(id);
  return value;
}

export const bridge = new Bridge();

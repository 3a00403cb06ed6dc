import type { Arrival, TapeBuffers } from './codec/tape-buffers.js';
import { BackwaterError } from './errors.js';
import { failureOf } from './failures.js';
import { now, runAtRoot, runSoon } from './host.js';
import { native, type NativeBridge } from './native.js';
import { Spinner } from './spinner.js';
import { onOwnAtom } from './terms/atom.js';
import { isFlattening, refuseNested } from './terms/flatten.js';
import { Outbox } from './terms/outbox.js';
import { FRAME_WORDS } from './terms/tape.js';

/** Kinds of events; the same numbers stand in crates/node/src/events.rs. */
const CALL = 1;
const RETURN = 2;
const EXCEPTION = 3;
const FAILURE = 4;
const DONE = 5;
const ABANDONED = 6;
/** A client wants to know its endpoints. */
const RESOLVE = 7;
const TIMER = 8;
const EVENT_WORDS = 6;

/** Kinds of jobs; the same numbers stand in crates/node/src/outbox.rs. */
export const JOB_RETURN = 1;
export const JOB_EXCEPTION = 2;
export const JOB_CALL = 3;
const JOB_CANCEL = 4;
/** Words before the frame of a job: words in all, kind, identifier, and thirteen more. */
const JOB_WORDS = 16;

/** What waits for the end of an operation. Exactly one of the three is called, once. */
export interface Pending {
  onReturn(arrival: Arrival): void;
  onException(arrival: Arrival): void;
  onDone?(result: unknown): void;
  onFailure(error: Error): void;
}

/** What takes the calls of a server. */
export interface CallHandler {
  onCall(call: number, fn: number, arrival: Arrival): void;
  /** {@link onCall} has thrown, or could not be called. */
  onBrokenCall(call: number, fn: number, error: unknown): void;
}

/** A running timer; see {@link Bridge.startTimer}. */
export interface Timer {
  stop(): void;
}

/** Whether the event loop is libuv's: others only seem to have one, and end when it is asked anything. */
const isNode = !('bun' in process.versions || 'deno' in process.versions);
/** Rounds of taking events before other work of the event loop gets its turn. */
const ROUNDS = 4;
/** The same in a worker thread of a server, which takes one call at a time. */
const WORKER_ROUNDS = 64;

/**
 * The JavaScript end of the bridge to Rust; there is one for each environment (main thread or
 * worker thread). Jobs that were added in one turn of the event loop cross together, and so do the
 * events that had gathered on the other side.
 */
class Bridge {
  readonly outbox = new Outbox();
  /** Waits awake for the next event when few calls are in flight. */
  readonly spinner: Spinner;
  readonly #native: NativeBridge;
  readonly #pending = new Map<number, Pending>();
  readonly #servers = new Map<number, CallHandler>();
  readonly #abandoned = new Map<number, (overdue: boolean) => void>();
  readonly #resolvers = new Map<number, () => void>();
  readonly #timers = new Map<number, () => void>();
  /** Where events are read from, with the terms of those that are small. */
  readonly inbox: TapeBuffers;
  #rounds = ROUNDS;
  /** Calls of servers that have begun and not been answered. */
  #running = 0;
  #nextId = 1;
  #flushing = false;
  /** What is under way and keeps the process alive. */
  #holds = 0;

  constructor() {
    // Whoever loads the library may do so in some context; its stores are not for every call.
    this.#native = runAtRoot(() => new native.Bridge(() => this.#drain(), isNode));
    this.spinner = new Spinner(
      (microseconds) => this.#native.spin(microseconds),
      () => this.#drain(),
      // Without a server nothing can come that is not waited for.
      () => (this.#pending.size > 0 || this.#servers.size > 0 ? this.#pending.size : Infinity),
      (microseconds) => this.#native.setIoSpin(microseconds),
    );
    this.inbox = {
      words: new Uint32Array(128 * 1024),
      floats: new Float64Array(32 * 1024),
      bytes: Buffer.from(new ArrayBuffer(512 * 1024)),
    };
    this.#native.attachInbox(this.inbox.words, this.inbox.floats, this.inbox.bytes);
    this.outbox.attach = ({ words, floats, bytes: area }) => {
      this.#native.attachOutbox(words, floats, area);
    };
    this.outbox.attach(this.outbox);
    // At once, since its owner may change it afterwards.
    this.outbox.putApart = (index, binary) => this.#native.putApart(index, binary);
    onOwnAtom((name) => this.#native.knowAtom(name));
  }

  get native(): NativeBridge {
    return this.#native;
  }

  /** Registers what waits for an operation, and keeps the process alive until it ends. */
  begin(pending: Pending): number {
    const id = this.#newId();
    this.#pending.set(id, pending);
    this.hold();
    return id;
  }

  #newId(): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0 || 1;
    return id;
  }

  /** Forgets an operation whose end nobody waits for any more. */
  forget(id: number): boolean {
    if (!this.#pending.delete(id)) return false;
    this.release();
    return true;
  }

  /** An operation of which the end is told in JSON. */
  operation<T>(start: (id: number) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const misplaced = (): void => reject(new BackwaterError('an operation ended with a term'));
      const id = this.begin({
        onReturn: misplaced,
        onException: misplaced,
        onDone: (result) => resolve(result as T),
        onFailure: reject,
      });
      const begin = (): void => {
        try {
          // What was asked for before comes first.
          this.#flush();
          start(id);
        } catch (error) {
          this.forget(id);
          reject(failureOf(error));
        }
      };
      whenWhole(begin);
    });
  }

  /** Gives a call up, of which nobody waits for the end any more. */
  cancel(id: number): void {
    whenWhole(() => this.post(JOB_CANCEL, id, []));
  }

  addServer(id: number, handler: CallHandler): void {
    this.#servers.set(id, handler);
  }

  /** Has `resolve` called whenever a client needs its names resolved. */
  addResolver(client: number, resolve: () => void): void {
    this.#resolvers.set(client, resolve);
  }

  removeResolver(client: number): void {
    this.#resolvers.delete(client);
  }

  removeServer(id: number): void {
    this.#servers.delete(id);
  }

  /** Serves a server that another thread has started, as its worker `slot`. */
  attachServer(id: number, slot: number, handler: CallHandler): void {
    this.#servers.set(id, handler);
    this.#rounds = WORKER_ROUNDS;
    this.#native.attachServer(id, slot);
    this.hold();
  }

  /**
   * Has `onGone` called when the caller goes away, or when its deadline passes (`overdue`); at once if
   * that has happened already.
   */
  watchCaller(call: number, onGone: (overdue: boolean) => void): void {
    const overdue = this.#native.watchCaller(call);
    if (typeof overdue === 'boolean') onGone(overdue);
    else this.#abandoned.set(call, onGone);
  }

  unwatchCaller(call: number): void {
    this.#abandoned.delete(call);
  }

  /**
   * Has `onDue`, which never throws, called after so many milliseconds, at the root. The time is the addon's:
   * no mocked clock changes it. The timer keeps no process alive.
   */
  startTimer(onDue: () => void, milliseconds: number): Timer {
    const id = this.#newId();
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

  /**
   * Adds a job to the outbox; it crosses at the end of this turn.
   *
   * @param fields up to thirteen numbers, as crates/node/src/outbox.rs reads them
   * @param writeFrame writes the tape and returns the place of its frame; whatever it throws leaves
   * the outbox as it was
   */
  post(kind: number, id: number, fields: readonly number[], writeFrame?: () => void): void {
    refuseNested();
    const { outbox } = this;
    const start = outbox.word;
    if (start + JOB_WORDS + FRAME_WORDS > outbox.words.length) outbox.growWords(1024);
    outbox.words.fill(0, start, start + JOB_WORDS);
    outbox.word = start + JOB_WORDS;
    try {
      writeFrame?.();
    } catch (error) {
      outbox.word = start;
      throw error;
    }
    if (kind === JOB_RETURN || kind === JOB_EXCEPTION) this.#running--;
    const { words } = outbox;
    words[start] = outbox.word - start;
    words[start + 1] = kind;
    words[start + 2] = id;
    for (let index = 0; index < fields.length; index++) words[start + 3 + index] = fields[index]!;
    if (outbox.byte > FLUSH_BYTES || outbox.apart > 0) {
      this.#flush();
    } else if (!this.#flushing) {
      this.#flushing = true;
      runSoon(() => this.#flushAtLast());
    }
  }

  #flush(): void {
    this.#flushing = false;
    const { outbox } = this;
    if (outbox.word === 0) return;
    try {
      this.#native.flush(outbox.word, outbox.float, outbox.byte, outbox.apart);
    } finally {
      outbox.reset();
    }
  }

  /** Nobody is there to catch what this throws. */
  #flushAtLast(): void {
    try {
      this.#flush();
    } catch (error) {
      this.#failAll(error);
    }
  }

  /** Called from Rust, which must never see a throw. */
  #drain(): void {
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
        this.#flush();
      }
      // Other work of the event loop comes first.
      this.#native.wakeLater();
    } catch (error) {
      this.#failAll(error);
    }
  }

  /** Events may be lost, and whatever waits for one of them would wait forever. */
  #failAll(error: unknown): void {
    try {
      const failure = failureOf(error);
      for (const [id, pending] of this.#pending) {
        if (this.forget(id)) pending.onFailure(failure);
      }
    } catch {
      // Even the built-ins do not work: no more can be done, and an exception would end the process.
    }
  }

  #dispatch(count: number): void {
    const { words } = this.inbox;
    const began = count > 1 ? now() : 0;
    let at = 0;
    for (let index = 0; index < count; index++) {
      const start = at;
      at = start + words[start]!;
      try {
        // A function before this one may have taken its time.
        const isLate = index > 0 && now() - began > FRESH;
        this.#handle(start, isLate);
      } catch (error) {
        // The other events are good.
        this.#failAll(error);
      }
    }
  }

  #handle(start: number, isLate: boolean): void {
    const { words } = this.inbox;
    const kind = words[start + 1]!;
    const id = words[start + 2]!;
    if (kind === CALL) {
      if (!isLate || this.#native.isWaitedFor(id)) this.#call(id, start);
    } else if (kind === ABANDONED) {
      take(this.#abandoned, id)?.(words[start + 3] !== 0);
    } else if (kind === RESOLVE) {
      this.#resolvers.get(id)?.();
    } else if (kind === TIMER) {
      take(this.#timers, id)?.();
    } else {
      const pending = this.#pending.get(id);
      if (pending !== undefined && this.forget(id)) this.#settle(pending, kind, start);
    }
  }

  #call(call: number, start: number): void {
    const { words } = this.inbox;
    const handler = this.#servers.get(words[start + 3]!);
    if (handler === undefined) return;
    const fn = words[start + 4]!;
    this.#running++;
    try {
      handler.onCall(call, fn, this.#arrival(start, 0));
    } catch (error) {
      handler.onBrokenCall(call, fn, error);
    }
  }

  #settle(pending: Pending, kind: number, start: number): void {
    const { words, bytes } = this.inbox;
    const first = words[start + 3]!;
    try {
      if (kind === RETURN) pending.onReturn(this.#arrival(start, first));
      else if (kind === EXCEPTION) pending.onException(this.#arrival(start, first));
      else {
        const end = first + words[start + 4]!;
        const description: unknown = JSON.parse(bytes.utf8Slice(first, end));
        if (kind === DONE) pending.onDone?.(description);
        else if (kind === FAILURE) pending.onFailure(failureOf(description));
      }
    } catch (error) {
      pending.onFailure(failureOf(error));
    }
  }

  #arrival(start: number, skip: number): Arrival {
    const large = this.inbox.words[start + 5]!;
    return { buffers: this.inbox, frame: start + EVENT_WORDS, large, skip };
  }
}

/** How long a check that callers still wait stays valid, in milliseconds. */
const FRESH = 2;
const MAX_UINT32 = 2 ** 32 - 1;

/** Removes and returns. */
function take<T>(map: Map<number, T>, id: number): T | undefined {
  const value = map.get(id);
  map.delete(id);
  return value;
}

/** Does something to the outbox: at once, unless a getter of a value that is half in it asks for it. */
function whenWhole(act: () => void): void {
  if (isFlattening()) runSoon(act);
  else act();
}

/** Once this much has gathered it crosses at once, so that the outbox stays small. */
const FLUSH_BYTES = 1024 * 1024;

export const bridge = new Bridge();

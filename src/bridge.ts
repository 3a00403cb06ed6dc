import { JobQueue, type JobWriter } from './bridge/job-queue.js';
import {
  EVENT_ABANDONED,
  EVENT_CALL,
  EVENT_DONE,
  EVENT_EXCEPTION,
  EVENT_FAILURE,
  EVENT_RESOLVE,
  EVENT_RETURN,
  EVENT_WORDS,
  EventWord,
  JOB_CANCEL,
  type JOB_EXCEPTION,
  type JOB_RETURN,
} from './bridge/numbers.js';
import { StandaloneEncoder } from './codec/standalone-encoder.js';
import { CodecAreas } from './codec-areas.js';
import { BackwaterError } from './errors.js';
import { failureOf } from './failures.js';
import { native, type NativeBridge } from './native.js';
import { Spinner } from './spinner.js';
import { onOwnAtom } from './terms/atom.js';
import type { Areas } from './terms/areas.js';

/** A term that has arrived: where its tape lies, and from which word of it to read. */
export interface Arrival {
  readonly areas: Areas;
  readonly frame: number;
  readonly skip: number;
}

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
  readonly jobs: JobQueue;
  readonly codec: CodecAreas;
  readonly encoder: StandaloneEncoder;
  /** Waits awake for the next event when few calls are in flight. */
  readonly spinner: Spinner;
  readonly #native: NativeBridge;
  readonly #pending = new Map<number, Pending>();
  readonly #servers = new Map<number, CallHandler>();
  readonly #abandoned = new Map<number, () => void>();
  readonly #resolvers = new Map<number, () => void>();
  readonly #inbox: Areas;
  #rounds = ROUNDS;
  /** Calls of servers that have begun and not been answered. */
  #running = 0;
  #nextId = 1;
  /** Keeps the process alive while something is under way: Rust's own handle does not. */
  #alive: NodeJS.Timeout | undefined;
  #holds = 0;

  constructor() {
    this.#native = new native.Bridge(() => this.#drain(), isNode);
    this.jobs = new JobQueue(this.#native);
    this.codec = new CodecAreas(this.#native);
    this.encoder = new StandaloneEncoder(this.#native, this.codec);
    this.spinner = new Spinner(
      (microseconds) => this.#native.spin(microseconds),
      () => this.#drain(),
      // Without a server nothing can come that is not waited for.
      () => (this.#pending.size > 0 || this.#servers.size > 0 ? this.#pending.size : Infinity),
      (microseconds) => this.#native.setIoSpin(microseconds),
    );
    const bytes = Buffer.from(new ArrayBuffer(512 * 1024));
    this.#inbox = {
      words: new Uint32Array(128 * 1024),
      floats: new Float64Array(32 * 1024),
      bytes,
      source: bytes,
      parts: undefined,
    };
    this.#native.attachInbox(this.#inbox.words, this.#inbox.floats, this.#inbox.bytes);
    onOwnAtom((name) => this.#native.knowAtom(name));
  }

  get native(): NativeBridge {
    return this.#native;
  }

  /** A number for an operation. */
  newId(): number {
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0 || 1;
    return id;
  }

  /** Registers what waits for an operation, and keeps the process alive until it ends. */
  begin(id: number, pending: Pending): void {
    this.#pending.set(id, pending);
    this.hold();
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
      const id = this.newId();
      this.begin(id, {
        onReturn: misplaced,
        onException: misplaced,
        onDone: (result) => resolve(result as T),
        onFailure: reject,
      });
      const begin = (): void => {
        try {
          // What was asked for before comes first.
          this.jobs.flush();
          start(id);
        } catch (error) {
          this.forget(id);
          reject(failureOf(error));
        }
      };
      // Not while a getter of a value that is being encoded asks for it.
      if (this.jobs.isBusy) queueMicrotask(begin);
      else begin();
    });
  }

  /** Gives a call up, of which nobody waits for the end any more. */
  cancel(id: number): void {
    this.jobs.add(JOB_CANCEL, id, []);
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
   * Has `onGone` called when nobody waits for the answer to a call any more; true when that is so
   * already and it has been called.
   */
  watchCaller(call: number, onGone: () => void): boolean {
    if (this.#native.watchCaller(call)) {
      onGone();
      return true;
    }
    this.#abandoned.set(call, onGone);
    return false;
  }

  unwatchCaller(call: number): void {
    this.#abandoned.delete(call);
  }

  hold(): void {
    if (this.#holds++ > 0) return;
    this.#alive ??= setInterval(() => {}, 2 ** 31 - 1);
    this.#alive.ref();
  }

  release(): void {
    if (--this.#holds === 0) this.#alive?.unref();
  }

  /** Answers a call of a server. */
  answer(kind: typeof JOB_RETURN | typeof JOB_EXCEPTION, call: number, write: JobWriter): void {
    this.jobs.add(kind, call, [], write);
    this.#running--;
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
        this.jobs.flush();
      }
      setImmediate(() => this.#drain());
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  }

  #dispatch(count: number): void {
    const { words, bytes } = this.#inbox;
    const began = count > 1 ? Date.now() : 0;
    let at = 0;
    for (let index = 0; index < count; index++) {
      const start = at;
      const size = words[start + EventWord.words]!;
      at = start + size;
      const kind = words[start + EventWord.kind]!;
      const id = words[start + EventWord.id]!;
      const first = words[start + EventWord.first]!;
      const second = words[start + EventWord.second]!;
      if (kind === EVENT_CALL) {
        const server = this.#servers.get(first);
        if (server === undefined) continue;
        // A function before this one may have taken its time.
        const isLate = index > 0 && Date.now() - began > FRESH;
        if (isLate && !this.#native.isWaitedFor(id)) continue;
        this.#running++;
        server.onCall(id, second, this.#arrival(start, 0));
        continue;
      }
      if (kind === EVENT_ABANDONED) {
        this.#abandon(id);
        continue;
      }
      if (kind === EVENT_RESOLVE) {
        this.#resolvers.get(id)?.();
        continue;
      }
      const pending = this.#pending.get(id);
      if (pending === undefined) continue;
      this.#pending.delete(id);
      this.release();
      if (kind === EVENT_RETURN) pending.onReturn(this.#arrival(start, first));
      else if (kind === EVENT_EXCEPTION) pending.onException(this.#arrival(start, first));
      else {
        const description: unknown = JSON.parse(bytes.utf8Slice(first, first + second));
        if (kind === EVENT_DONE) pending.onDone?.(description);
        else if (kind === EVENT_FAILURE) pending.onFailure(failureOf(description));
      }
    }
  }

  #abandon(call: number): void {
    const onGone = this.#abandoned.get(call);
    this.#abandoned.delete(call);
    onGone?.();
  }

  /** Where a tape is read that the addon has made ready to be read in parts. */
  inParts(source: Buffer | null | undefined): Areas {
    const areas = this.codec.inParts;
    if (source) areas.source = source;
    return areas;
  }

  #arrival(start: number, skip: number): Arrival {
    const slot = this.#inbox.words[start + EventWord.slot]!;
    if (slot === 0) return { areas: this.#inbox, frame: start + EVENT_WORDS, skip };
    return { areas: this.inParts(this.#native.takeLarge(slot)), frame: 0, skip };
  }
}

/** For so many milliseconds it need not be asked again whether those who call still wait. */
const FRESH = 2;

export const bridge = new Bridge();

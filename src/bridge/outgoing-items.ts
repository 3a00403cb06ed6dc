import type { EncoderSettings } from '../codec/encoder.js';
import { BackwaterError } from '../errors/errors.js';
import type { ItemBatch, JobQueue } from './job-queue.js';

/** The items of a stream cross once they take this many bytes, and at the end of the turn otherwise. */
const GATHERED_BYTES = 32 * 1024;
/** How many jobs of items of a stream may wait to be sent before its iterator is resumed. */
const MAX_UNSENT = 2;
/** How many streams may gather items at the same time, each in memory of its own. */
const MAX_GATHERING = 64;

/** The streams of this thread that are gathering items. */
export class Gathering {
  readonly jobs: JobQueue;
  readonly #streams = new Set<OutgoingItems>();
  readonly #flushLater: () => void;

  /** @param flushLater has {@link flush} called at the end of this turn of the event loop */
  constructor(jobs: JobQueue, flushLater: () => void) {
    this.jobs = jobs;
    this.#flushLater = flushLater;
  }

  add(items: OutgoingItems): void {
    if (this.#streams.size === 0) this.#flushLater();
    else if (this.#streams.size >= MAX_GATHERING) this.flush();
    this.#streams.add(items);
  }

  delete(items: OutgoingItems): void {
    this.#streams.delete(items);
  }

  /** Asks for {@link flush} again if streams still gather: taking events forgets that it was asked for. */
  keepPromise(): void {
    if (this.#streams.size > 0) this.#flushLater();
  }

  /** Has all items cross that have gathered. Never throws. */
  flush(): void {
    if (this.#streams.size === 0) return;
    try {
      for (const items of this.#streams) items.flushGathered();
    } catch {
      // The built-ins do not work: the next time will do.
    }
  }
}

/** The items that a call of a server is answered with, on their way to Rust. */
export class OutgoingItems {
  readonly #gathering: Gathering;
  readonly #call: number;
  readonly #settings: EncoderSettings;
  #batch: ItemBatch | undefined;
  #unsent = 0;
  #resume: (() => void) | undefined;

  constructor(gathering: Gathering, call: number, settings: EncoderSettings) {
    this.#gathering = gathering;
    this.#call = call;
    this.#settings = settings;
    // Without items, the first job says that the answer has begun: the first item may take its time.
    this.#batch = this.#open();
  }

  /** @throws TermError if the item cannot be encoded; what its getters throw as it is */
  add(item: unknown, called: (...args: never[]) => unknown): void {
    if (this.#failure !== undefined) throw this.#failure;
    const batch = (this.#batch ??= this.#open());
    const { encoder } = batch;
    encoder.addItem(item, called);
    if (encoder.listBytes >= GATHERED_BYTES) this.flush();
  }

  #open(): ItemBatch {
    this.#gathering.add(this);
    return this.#gathering.jobs.openItems(this.#settings);
  }

  /** Whether so much waits to be sent that {@link sent} has to come before the next item. */
  get isFull(): boolean {
    return this.#unsent >= MAX_UNSENT;
  }

  /** Resolves when there is room again, and also when {@link release} is called. */
  sent(): Promise<void> {
    return new Promise((resolve) => (this.#resume = resolve));
  }

  /** A job has been sent. */
  onSent(): void {
    this.#unsent--;
    this.release();
  }

  /** Goes on without room. */
  release(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  /** Like {@link flush}, but the next {@link add} throws instead. */
  flushGathered(): void {
    try {
      this.flush();
    } catch (error) {
      this.#failure = BackwaterError.from(error);
      this.release();
    }
  }
  #failure: BackwaterError | undefined;

  flush(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#close();
    this.#unsent++;
    this.#gathering.jobs.sendItems(batch, this.#call);
  }

  /**
   * Has the last items cross: no more are added.
   *
   * @throws BackwaterError once, if items could not cross
   */
  end(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) {
      this.discard();
      throw failure;
    }
    if (this.#batch === undefined) return;
    if (this.#batch.encoder.itemCount > 0) this.flush();
    else this.discard();
  }

  /** Drops what has not crossed. */
  discard(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#close();
    this.#gathering.jobs.dropItems(batch);
  }

  #close(): void {
    this.#batch = undefined;
    this.#gathering.delete(this);
  }
}

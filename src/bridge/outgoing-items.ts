import type { EncoderSettings } from '../codec/encoder.js';
import { BackwaterError } from '../errors/errors.js';
import type { ItemBatch, JobQueue } from './job-queue.js';

/** A stream's items cross at this size, or else at the end of the turn. */
const GATHERED_BYTES = 32 * 1024;
/** A stream's iterator pauses while this many jobs are unsent. */
const MAX_UNSENT = 2;
/** Limits memory, because each gathering stream has its own. */
const MAX_GATHERING = 64;

export class Gathering {
  readonly jobs: JobQueue;
  readonly #streams = new Set<OutgoingItems>();
  readonly #flushLater: () => void;

  /** @param flushLater calls {@link flush} at the end of this turn */
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

  /** Schedules {@link flush} again, because taking events drops the request for it. */
  keepPromise(): void {
    if (this.#streams.size > 0) this.#flushLater();
  }

  /** Never throws. */
  flush(): void {
    if (this.#streams.size === 0) return;
    try {
      for (const items of this.#streams) items.flushGathered();
    } catch {
      // The built-ins are broken. The next flush may work.
    }
  }
}

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
    // Starts the answer, because the first item may take a while.
    this.#batch = this.#open();
  }

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

  get isFull(): boolean {
    return this.#unsent >= MAX_UNSENT;
  }

  sent(): Promise<void> {
    return new Promise((resolve) => (this.#resume = resolve));
  }

  onSent(): void {
    this.#unsent--;
    this.release();
  }

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

  /** @throws BackwaterError once, if items could not cross */
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

import { Encoder, type EncoderSettings } from '../codec/encoder.js';
import { LARGEST } from '../codec/serialize-error.js';
import { Attachment } from '../codec/shared-buffers.js';
import { runSoon } from '../platform/host.js';
import type { NativeBridge } from '../platform/native.js';
import { JOB_ITEMS, JOB_WORDS, JobWord } from './numbers.js';

/** Once this many bytes have gathered they cross at once, so that the buffers stay small. */
const FLUSH_BYTES = 1024 * 1024;

/** Writes the tape of a job whose first word is `job`, and then its other {@link JobWord}s, which are 0. */
export type JobWriter = (encoder: Encoder, job: number) => void;

/**
 * Jobs on their way to Rust. All jobs of one turn of the event loop cross together.
 *
 * A job is written behind the complete ones, and counts once it is complete itself: what an error or the
 * termination of the execution leaves half-written is overwritten. Jobs that are added while another one is
 * being written, by getters of its values, go to batches of their own. So do all jobs that are added in the
 * same turn after a termination, which cannot be told from this.
 */
export class JobQueue {
  readonly #main: Batch;
  readonly #native: NativeBridge;
  readonly #attachment: Attachment;
  /** Called if jobs cannot cross and no caller would notice. */
  readonly #onFailure: (error: unknown) => void;
  /** In the order of crossing. */
  #batches: Batch[];
  /** The last batch, unless a job is being written to it. */
  #idle: Batch | undefined;
  #isScheduled = false;

  constructor(native: NativeBridge, onFailure: (error: unknown) => void) {
    this.#native = native;
    this.#onFailure = onFailure;
    this.#attachment = new Attachment((words, floats, bytes) => {
      native.attachJobBuffers(words, floats, bytes);
    });
    this.#main = new Batch();
    // This batch crosses as soon as a job with such binaries is complete, before they can change.
    this.#main.encoder.outOfBand = [];
    this.#main.encoder.onShrink = () => this.#attachment.use(this.#main.encoder);
    this.#batches = [this.#main];
    this.#idle = this.#main;
  }

  /** Whether a job may be in the middle of being written. */
  get isBusy(): boolean {
    return this.#idle !== this.#main;
  }

  /**
   * Adds a job, which crosses at the end of this turn.
   *
   * @throws what `write` throws; nothing is added then
   */
  add(kind: number, id: number, flags: number, write?: JobWriter): void {
    const batch = this.#idle ?? this.#addBatch();
    this.#idle = undefined;
    try {
      batch.write(kind, id, flags, write);
    } finally {
      // If getters have added jobs, what comes next has to cross after these.
      this.#idle ??= batch;
    }
    if (batch === this.#main && (this.isBusy || batch.isLarge)) this.flush();
    else if (!this.#isScheduled) this.#schedule();
  }

  /** Begins a job of items, which gathers apart from the other jobs until it is sent. */
  openItems(settings: EncoderSettings): ItemBatch {
    const batch = this.#spare.pop() ?? new ItemBatch();
    batch.open(settings);
    return batch;
  }
  readonly #spare: ItemBatch[] = [];

  /** Has a job of items cross now, before all other jobs that have not crossed. */
  sendItems(batch: ItemBatch, call: number): void {
    batch.close(call);
    this.#send(batch);
    this.dropItems(batch);
  }

  /** Gives up a job of items. */
  dropItems(batch: ItemBatch): void {
    if (this.#spare.length < MAX_SPARE) this.#spare.push(batch);
  }

  #addBatch(): Batch {
    const batch = new Batch();
    this.#batches.push(batch);
    return batch;
  }

  #schedule(): void {
    runSoon(this.#flushLater);
    this.#isScheduled = true;
  }

  readonly #flushLater = (): void => {
    this.#isScheduled = false;
    try {
      this.flush();
    } catch (error) {
      this.#onFailure(error);
    }
  };

  /** Has all jobs cross. Not to be called while one is being written. */
  flush(): void {
    for (const batch of this.#batches) this.#send(batch);
    if (this.#batches.length > 1) this.#batches = [this.#main];
    this.#idle = this.#main;
  }

  #send(batch: Batch): void {
    const { encoder, word, float, byte } = batch;
    if (word === 0) return;
    const binaries = encoder.outOfBand ?? [];
    for (const [index, bytes] of binaries.entries()) this.#native.putOutOfBand(index, bytes);
    this.#attachment.use(encoder);
    this.#native.flush(word, float, byte, binaries.length);
    // At once, and not by a call, where V8 could terminate: the jobs would cross a second time.
    batch.word = 0;
    if (binaries.length > 0) binaries.length = 0;
    encoder.rewind();
  }
}

/** Batches for items that are kept for the next stream. */
const MAX_SPARE = 8;

/** Jobs that cross together, in the memory of an encoder. */
class Batch {
  readonly encoder = new Encoder();
  /** Where the last complete job ends in each of the buffers; with `word` 0 there is none. */
  word = 0;
  float = 0;
  byte = 0;

  write(kind: number, id: number, flags: number, write?: JobWriter): void {
    const { encoder, word: start } = this;
    if (start === 0) encoder.seek(0, 0, 0);
    else encoder.seek(start, this.float, this.byte);
    encoder.skip(JOB_WORDS);
    clear(encoder.words, start);
    write?.(encoder, start);
    this.complete(start, kind, id, flags);
  }

  /** Makes the job that begins at a word count. */
  protected complete(start: number, kind: number, id: number, flags: number): void {
    const { encoder } = this;
    const { words } = encoder;
    words[start + JobWord.words] = encoder.word - start;
    words[start + JobWord.kind] = kind;
    words[start + JobWord.id] = id;
    words[start + JobWord.flags] = flags;
    this.float = encoder.float;
    this.byte = encoder.byte;
    // Last, since this is what makes the job count.
    this.word = encoder.word;
  }

  get isLarge(): boolean {
    const bytes = this.word * 4 + this.float * 8 + this.byte;
    return bytes > FLUSH_BYTES || (this.encoder.outOfBand?.length ?? 0) > 0;
  }
}

/** Faster than `fill` for so few words. */
function clear(words: Uint32Array, start: number): void {
  for (let word = start; word < start + JOB_WORDS; word++) words[word] = 0;
}

/** A job of items, which is written item by item. */
export class ItemBatch extends Batch {
  constructor() {
    super();
    this.encoder.outOfBand = [];
  }

  open(settings: EncoderSettings): void {
    const { encoder } = this;
    encoder.seek(0, 0, 0);
    encoder.skip(JOB_WORDS);
    clear(encoder.words, 0);
    encoder.openList(settings, LARGEST);
  }

  close(call: number): void {
    this.encoder.closeList();
    this.complete(0, JOB_ITEMS, call, 0);
  }
}

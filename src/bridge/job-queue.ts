import { Encoder, type EncoderSettings } from '../codec/encoder.js';
import { LARGEST } from '../codec/serialize-error.js';
import { Attachment } from '../codec/shared-buffers.js';
import { runSoon } from '../platform/host.js';
import type { NativeBridge } from '../platform/native.js';
import { JOB_ITEMS, JOB_WORDS, JobWord } from './numbers.js';

/** A batch of this size crosses at once, which limits the buffers. */
const FLUSH_BYTES = 1024 * 1024;

/** Fills in a job whose words begin at `job`; the other {@link JobWord}s are 0. */
export type JobWriter = (encoder: Encoder, job: number) => void;

/**
 * Jobs on their way to Rust.
 *
 * Only complete jobs count: the next one overwrites what an error or a termination leaves behind. Jobs that
 * getters add while another one is being written go to other batches, as do all jobs after a termination in
 * the same turn.
 */
export class JobQueue {
  readonly #main: Batch;
  readonly #native: NativeBridge;
  readonly #attachment: Attachment;
  /** For failures that no caller would notice. */
  readonly #onFailure: (error: unknown) => void;
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
    // Binaries must not change, so their batch crosses at once.
    this.#main.encoder.outOfBand = [];
    this.#main.encoder.onShrink = () => this.#attachment.use(this.#main.encoder);
    this.#batches = [this.#main];
    this.#idle = this.#main;
  }

  get isBusy(): boolean {
    return this.#idle !== this.#main;
  }

  /** Adds a job that crosses at the end of this turn, or nothing if `write` throws. */
  add(kind: number, id: number, flags: number, write?: JobWriter): void {
    const batch = this.#idle ?? this.#addBatch();
    this.#idle = undefined;
    try {
      batch.write(kind, id, flags, write);
    } finally {
      // Later jobs must cross after the jobs that getters added.
      this.#idle ??= batch;
    }
    if (batch === this.#main && (this.isBusy || batch.isLarge)) this.flush();
    else if (!this.#isScheduled) this.#schedule();
  }

  openItems(settings: EncoderSettings): ItemBatch {
    const batch = this.#spare.pop() ?? new ItemBatch();
    batch.open(settings);
    return batch;
  }
  readonly #spare: ItemBatch[] = [];

  /** Sends a job of items ahead of other jobs. */
  sendItems(batch: ItemBatch, call: number): void {
    batch.close(call);
    this.#send(batch);
    this.dropItems(batch);
  }

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

  /** Must not be called while a job is being written. */
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
    // Before any call: if V8 terminated there, the jobs would cross twice.
    batch.word = 0;
    if (binaries.length > 0) binaries.length = 0;
    encoder.rewind();
  }
}

const MAX_SPARE = 8;

class Batch {
  readonly encoder = new Encoder();
  /** The end of the last complete job in each buffer. */
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

  protected complete(start: number, kind: number, id: number, flags: number): void {
    const { encoder } = this;
    const { words } = encoder;
    words[start + JobWord.words] = encoder.word - start;
    words[start + JobWord.kind] = kind;
    words[start + JobWord.id] = id;
    words[start + JobWord.flags] = flags;
    this.float = encoder.float;
    this.byte = encoder.byte;
    // Last, because this makes the job count.
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

import { FinalizationRegistry } from '../platform/host.js';

/**
 * The items of a remote function, as they arrive.
 *
 * The call is made with the first `next`. The function ends when you leave the loop, call `return`, or abort
 * the signal of the call.
 */
export interface RemoteStream<T> extends AsyncIterable<T>, AsyncDisposable {
  /** The next item. Rejects once if the stream fails, with the errors of {@link Client.call}. */
  next(): Promise<IteratorResult<T, undefined>>;
  /** Ends the stream and the remote function. */
  return(value?: unknown): Promise<IteratorResult<T, undefined>>;
  /** Ends the stream like `return`, and rejects with the error. */
  throw(error?: unknown): Promise<IteratorResult<T, undefined>>;
  [Symbol.asyncIterator](): RemoteStream<T>;
}

/** Keeps the {@link ItemStream} alive only while it waits for an item. */
export interface StreamSource {
  /** @param consumer must stay reachable until the promise settles, because its collection ends the stream */
  next(consumer: object): Promise<IteratorResult<unknown, undefined>>;
  /** Never rejects. */
  end(): Promise<void>;
}

const dropped = new FinalizationRegistry((source: StreamSource) => void source.end());

export class ItemStream implements RemoteStream<unknown> {
  #open: (() => StreamSource) | undefined;
  #source: StreamSource | undefined;

  /** @param open may throw, and must not refer to this object */
  constructor(open: () => StreamSource) {
    this.#open = open;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#source !== undefined) return this.#source.next(this);
    return this.#start();
  }

  async #start(): Promise<IteratorResult<unknown, undefined>> {
    const open = this.#open;
    if (open === undefined) return { value: undefined, done: true };
    this.#open = undefined;
    const source = open();
    this.#source = source;
    dropped.register(this, source);
    return await source.next(this);
  }

  async return(): Promise<IteratorResult<unknown, undefined>> {
    this.#open = undefined;
    await this.#source?.end();
    return { value: undefined, done: true };
  }

  async throw(error?: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

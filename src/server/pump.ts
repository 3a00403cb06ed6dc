import type { OutgoingItems } from '../bridge/outgoing-items.js';
import { endIterator, isAsync, type ItemSource, iteratorOf } from '../calls/streams.js';

/** Sends what a stream yields to the caller of a function. */
export class Pump {
  readonly #iterator: AsyncIterator<unknown> | Iterator<unknown>;
  readonly #isAsync: boolean;
  readonly #items: OutgoingItems;
  /** Resolves when the iterator has been ended early. */
  #ended: Promise<void> | undefined;

  /** @throws the error of the source's method that returns its iterator */
  constructor(source: ItemSource, items: OutgoingItems) {
    this.#isAsync = isAsync(source);
    this.#iterator = iteratorOf(source);
    this.#items = items;
  }

  /**
   * Runs until the stream has ended, by itself or because of {@link stop}.
   *
   * @throws what the stream throws; TermError if an item cannot be encoded, which ends the stream
   */
  async run(): Promise<void> {
    const items = this.#items;
    try {
      while (this.#ended === undefined) {
        const step = this.#isAsync
          ? await this.#iterator.next()
          : (this.#iterator.next() as IteratorResult<unknown>);
        if (step.done) return;
        // Stopped meanwhile.
        if (this.#ended !== undefined) break;
        if (typeof step !== 'object')
          throw new TypeError(`Iterator result ${step} is not an object`);
        this.#add(step.value);
        if (items.isFull) await items.sent();
      }
    } catch (error) {
      if (!this.#isStopped) throw error;
    }
    await this.#ended;
  }
  #isStopped = false;

  #add(item: unknown): void {
    try {
      this.#items.add(item, this.#add);
    } catch (error) {
      void this.#end();
      throw error;
    }
  }

  /** Ends the stream, since the caller has gone away. A generator that waits for something ends when that comes. */
  stop(): Promise<void> {
    this.#isStopped = true;
    this.#items.discard();
    this.#items.release();
    return this.#end();
  }

  #end(): Promise<void> {
    return (this.#ended ??= endIterator(this.#iterator));
  }
}

import type { OutgoingItems } from '../bridge/outgoing-items.js';
import { endIterator, isAsync, type ItemSource, iteratorOf } from '../calls/streams.js';

export class Pump {
  readonly #iterator: AsyncIterator<unknown> | Iterator<unknown>;
  readonly #isAsync: boolean;
  readonly #items: OutgoingItems;
  #ended: Promise<void> | undefined;

  constructor(source: ItemSource, items: OutgoingItems) {
    this.#isAsync = isAsync(source);
    this.#iterator = iteratorOf(source);
    this.#items = items;
  }

  async run(): Promise<void> {
    const items = this.#items;
    try {
      while (this.#ended === undefined) {
        const step = this.#isAsync
          ? await this.#iterator.next()
          : (this.#iterator.next() as IteratorResult<unknown>);
        if (step.done) return;
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

  /** A generator that is waiting for something ends only after that. */
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

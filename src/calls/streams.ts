import { contextOfCaller } from '../platform/host.js';
import type { InterceptedCall } from './interceptor.js';

export type ItemSource = AsyncIterable<unknown> | IterableIterator<unknown>;

/** Arrays, sets, maps and text are values; generator objects are streams. */
export function isStream(value: unknown): value is ItemSource {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = value as Record<
    symbol,
    unknown
  >;
  if (typeof async === 'function') return true;
  return typeof sync === 'function' && typeof (value as { next?: unknown }).next === 'function';
}

export function isStreamOf(
  { side, stream }: InterceptedCall,
  result: unknown,
): result is ItemSource {
  return (side === 'server' || stream) && isStream(result);
}

export function isAsync(source: ItemSource): source is AsyncIterable<unknown> {
  return typeof (source as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function';
}

export function iteratorOf(source: ItemSource): AsyncIterator<unknown> | Iterator<unknown> {
  const [name, iterator] = isAsync(source)
    ? ['asyncIterator', source[Symbol.asyncIterator]()]
    : ['iterator', source[Symbol.iterator]()];
  if (typeof (iterator as Partial<typeof iterator> | undefined)?.next !== 'function') {
    throw new TypeError(`[Symbol.${name}]() must return an iterator with a method 'next'`);
  }
  return iterator;
}

/** Runs the `finally` blocks of a generator, and drops their errors. */
export async function endIterator(
  iterator: AsyncIterator<unknown> | Iterator<unknown>,
): Promise<void> {
  try {
    await iterator.return?.();
  } catch {}
}

type Step = Promise<IteratorResult<unknown>> | IteratorResult<unknown>;

export type OnStreamEnd = (items: number, failure: { readonly error: unknown } | undefined) => void;

/** Reports once that a stream has ended, has failed, or was stopped by its consumer. */
export class ObservedStream implements AsyncIterableIterator<unknown> {
  readonly #iterator: AsyncIterator<unknown> | Iterator<unknown>;
  readonly #onEnd: OnStreamEnd;
  readonly #run: (step: () => Step) => Step;
  #items = 0;
  #hasEnded = false;

  constructor(source: ItemSource, onEnd: OnStreamEnd, run = (step: () => Step): Step => step()) {
    this.#iterator = iteratorOf(source);
    this.#onEnd = onEnd;
    this.#run = run;
  }

  next(): Promise<IteratorResult<unknown>> {
    return this.#observe(() => this.#iterator.next());
  }

  return(value?: unknown): Promise<IteratorResult<unknown>> {
    return this.#observe(() => this.#iterator.return?.(value) ?? { done: true, value });
  }

  throw(error?: unknown): Promise<IteratorResult<unknown>> {
    return this.#observe(() => {
      if (this.#iterator.throw === undefined) throw error;
      return this.#iterator.throw(error);
    });
  }

  async #observe(step: () => Step): Promise<IteratorResult<unknown>> {
    try {
      const result = await this.#run(step);
      if (result.done) this.#end(undefined);
      else this.#items++;
      return result;
    } catch (error) {
      this.#end({ error });
      throw error;
    }
  }

  #end(failure: { readonly error: unknown } | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#onEnd(this.#items, failure);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Runs the code of a stream in the asynchronous context of this call, whoever iterates it. */
export function inThisContext(source: ItemSource): AsyncIterable<unknown> {
  const scope = contextOfCaller('BackwaterStream');
  return new ObservedStream(
    source,
    () => {},
    (step) => scope.runInAsyncScope(step),
  );
}

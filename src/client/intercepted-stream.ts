import { callChannel, isTraced, traceCall, type TracedCall } from '../calls/channels.js';
import { endIterator, type ItemSource, isStream, iteratorOf } from '../calls/streams.js';
import { ClosedError } from '../errors/errors.js';
import { type GivenCall, interceptedCall, Interception } from './intercept.js';
import { ItemStream, type StreamSource } from './item-stream.js';
import { itemsOf, type PendingStream } from './pending-stream.js';

type Step = IteratorResult<unknown, undefined>;

type SendStream = (call: Omit<GivenCall, 'server'>, onEnd: () => void) => PendingStream;

export class InterceptedStream extends Interception implements StreamSource {
  readonly #call: TracedCall;
  readonly #send: SendStream;
  readonly #onEnd: () => void;
  readonly #begun = new Set<StreamSource>();
  readonly #unwatch: () => void;
  #iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined;
  #latest: Promise<unknown> = Promise.resolve();
  #hasEnded = false;
  #interruption: (() => Promise<never>) | undefined;
  #interrupt: ((failure: Promise<never>) => void) | undefined;

  constructor(given: GivenCall, send: SendStream, onEnd: () => void) {
    const call = interceptedCall(given);
    super(given, call);
    this.#call = call;
    this.#send = send;
    this.#onEnd = onEnd;
    this.#unwatch = this.watch((fail) => this.#stop(fail));
  }

  next(consumer: object): Promise<Step> {
    const step = this.#latest.then(() => this.#step());
    // Keeps the consumer from being collected.
    this.#latest = step.catch(() => void consumer);
    return step;
  }

  async #step(): Promise<Step> {
    if (this.#hasEnded) return { value: undefined, done: true };
    try {
      this.#iterator ??= await this.#interruptible(this.#begin());
      const step = await this.#interruptible(this.#iterator.next());
      if (!step.done) return { value: step.value, done: false };
    } catch (error) {
      if (this.#hasEnded) return { value: undefined, done: true };
      this.#finish();
      throw error;
    }
    this.#finish();
    return { value: undefined, done: true };
  }

  async #begin(): Promise<AsyncIterator<unknown> | Iterator<unknown>> {
    const run = (): Promise<unknown> => this.pass(this.#call);
    const call = this.#call;
    const answer = isTraced(callChannel) ? await traceCall(callChannel, call, run) : await run();
    const iterator = iteratorOf(
      isStream(answer) ? answer : (itemsOf(answer).values() as ItemSource),
    );
    if (this.#hasEnded) await endIterator(iterator);
    return iterator;
  }

  protected override async send(call: Omit<GivenCall, 'server'>): Promise<unknown> {
    if (this.#hasEnded) throw new ClosedError('the stream has ended');
    this.sending++;
    let stream: PendingStream;
    try {
      stream = this.#send(call, () => {
        this.sending--;
        this.#begun.delete(stream);
      });
    } catch (error) {
      this.sending--;
      throw error;
    }
    this.#begun.add(stream);
    await stream.opened();
    return new ItemStream(() => stream);
  }

  /** Settles like the promise, unless the stream is stopped first. */
  #interruptible<T>(promise: PromiseLike<T> | T): Promise<Awaited<T>> {
    return new Promise((resolve, reject) => {
      this.#interrupt = resolve;
      Promise.resolve(promise).then(resolve, reject);
      if (this.#interruption !== undefined) resolve(this.#interruption());
    });
  }

  #stop(fail: () => Promise<never>): void {
    this.#interruption ??= fail;
    const failure = fail();
    // There may be nothing to interrupt.
    failure.catch(() => {});
    this.#interrupt?.(failure);
  }

  async end(): Promise<void> {
    if (this.#hasEnded) return;
    this.#finish();
    this.#stop(() => Promise.reject(new ClosedError('the stream has ended')));
    await this.#latest;
  }

  #finish(): void {
    this.#hasEnded = true;
    this.#unwatch();
    if (this.#iterator !== undefined) void endIterator(this.#iterator);
    for (const stream of this.#begun) void stream.end();
    this.#onEnd();
  }
}

import { callChannel, traceCall } from '../calls/channels.js';
import { endIterator, type ItemSource, isStream, iteratorOf } from '../calls/streams.js';
import { ClosedError } from '../errors/errors.js';
import { type Call, interceptedCall, Interception, type ServerAddress } from './intercept.js';
import { ItemStream, type StreamSource } from './item-stream.js';
import { itemsOf, type PendingStream } from './pending-stream.js';

type Step = IteratorResult<unknown, undefined>;

type SendStream = (call: Call, onEnd: () => void) => PendingStream;

export class InterceptedStream extends Interception implements StreamSource {
  readonly #send: SendStream;
  readonly #onEnd: () => void;
  readonly #begun = new Set<StreamSource>();
  #iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined;
  #latest: Promise<unknown> = Promise.resolve();
  #hasEnded = false;

  constructor(given: Call, server: ServerAddress | undefined, send: SendStream, onEnd: () => void) {
    super(given, interceptedCall(given, server));
    this.#send = send;
    this.#onEnd = onEnd;
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
      this.#iterator ??= await this.interruptible(this.#begin());
      const step = await this.interruptible(this.#iterator.next());
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
    const answer = await traceCall(callChannel, this.call, this.pass);
    const iterator = iteratorOf(
      isStream(answer) ? answer : (itemsOf(answer).values() as ItemSource),
    );
    if (this.#hasEnded) await endIterator(iterator);
    return iterator;
  }

  protected override async send(call: Call): Promise<unknown> {
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

  async end(): Promise<void> {
    if (this.#hasEnded) return;
    this.#finish();
    this.interrupt(() => Promise.reject(new ClosedError('the stream has ended')));
    await this.#latest;
  }

  #finish(): void {
    this.#hasEnded = true;
    this.unwatch();
    if (this.#iterator !== undefined) void endIterator(this.#iterator);
    for (const stream of this.#begun) void stream.end();
    this.#onEnd();
  }
}

import { bridge } from '../bridge/bridge.js';
import { JOB_CALL, JobWord } from '../bridge/numbers.js';
import { callChannel, isTraced } from '../calls/channels.js';
import { FLAG_STREAM } from '../codec/control.js';
import type { SizeLimit } from '../codec/serialize-error.js';
import { ClosedError, QueueFullError } from '../errors/errors.js';
import { callHeaders } from '../options/metadata.js';
import {
  callOptions,
  type CallOptions,
  type CallSettings,
  type ClientSettings,
  type StreamOptions,
  streamOptions,
} from './options.js';
import { beginAtCaller } from '../platform/call-stack.js';
import type { Resolver } from '../resolve/resolver.js';
import { abortReason } from './abort.js';
import { checkCall } from './check-call.js';
import { type Call, type Called, intercept, type ServerAddress } from './intercept.js';
import { InterceptedStream } from './intercepted-stream.js';
import { ItemStream, type StreamSource } from './item-stream.js';
import { beginning, eitherSignal, type EitherSignal, MAX_UINT32, milliseconds } from './limits.js';
import { CANCELLED, countFailure, PendingCall, type Tally } from './pending-call.js';
import { PendingStream } from './pending-stream.js';
import type { ClientStats } from './stats.js';

export class CallMaker {
  readonly client: number;
  readonly #settings: ClientSettings;
  readonly #server: ServerAddress | undefined;
  readonly #resolver: Resolver | undefined;
  readonly #tally: Tally = { pending: 0, bytes: 0, failures: new Map() };
  #calls = 0;
  /** New calls are refused. */
  #isClosed = false;
  /** Nothing more may be sent. */
  #hasEnded = false;
  /** Unsettled intercepted calls, which may still send requests. */
  #intercepted = 0;
  #onLastIntercepted: (() => void) | undefined;

  constructor(
    client: number,
    settings: ClientSettings,
    server: ServerAddress | undefined,
    resolver: Resolver | undefined,
  ) {
    this.client = client;
    this.#settings = settings;
    this.#server = server;
    this.#resolver = resolver;
  }

  get stats(): Pick<ClientStats, 'pending' | 'calls' | 'failures'> {
    const { pending, failures } = this.#tally;
    return { pending, calls: this.#calls, failures: Object.fromEntries(failures) };
  }

  /** Resolves once all earlier calls have been sent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#intercepted > 0) {
      await new Promise<void>((resolve) => (this.#onLastIntercepted = resolve));
    }
    this.#hasEnded = true;
  }

  /** @param called the public function; the stacks of errors begin at its caller */
  make(
    module: string,
    fn: string,
    args: readonly unknown[],
    options: CallOptions | undefined,
    defaults: CallSettings,
    called: Called,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      let settings: CallSettings | undefined;
      try {
        settings = callOptions(options, defaults);
        const call = {
          module,
          fn,
          args,
          settings: this.#begin(module, fn, args, settings),
          called,
        };
        const either = eitherSignal(call.settings);
        if (either !== undefined) resolve(this.#withEither(call, either));
        else if (this.#isIntercepted(settings)) resolve(this.#intercept(call));
        else this.#send(call, resolve, reject);
      } catch (error) {
        this.#countUnsent(error, settings);
        throw error;
      }
    });
  }

  stream(
    module: string,
    fn: string,
    args: readonly unknown[],
    options: StreamOptions | undefined,
    defaults: CallSettings,
  ): ItemStream {
    return new ItemStream(() => {
      let settings: CallSettings | undefined;
      try {
        settings = streamOptions(options, defaults);
        const begun = this.#begin(module, fn, args, settings);
        return this.#startStream({ module, fn, args, settings: begun, called: NEXT });
      } catch (error) {
        this.#countUnsent(error, settings);
        throw error;
      }
    });
  }

  #startStream(given: Call): StreamSource {
    const either = eitherSignal(given.settings);
    const call = either === undefined ? given : withSignal(given, either.signal);
    const release = (): void => either?.release();
    try {
      if (!this.#isIntercepted(call.settings)) return this.#sendStream(call, release);
      return this.#interceptStream(call, release);
    } catch (error) {
      release();
      throw error;
    }
  }

  #interceptStream(call: Call, release: () => void): StreamSource {
    this.#intercepted++;
    return new InterceptedStream(
      call,
      this.#server,
      (inner, onEnd) => {
        try {
          this.#checkSendable(inner.settings);
          return this.#sendStream(inner, onEnd);
        } catch (error) {
          this.#countUnsent(error, inner.settings);
          throw error;
        }
      },
      () => {
        release();
        this.#onInterceptedEnd();
      },
    );
  }

  #sendStream(call: Call, release: () => void): PendingStream {
    const pending = new PendingStream(this.#tally, call, release);
    this.#enter(call, pending);
    return pending;
  }

  #begin(
    module: string,
    fn: string,
    args: readonly unknown[],
    settings: CallSettings,
  ): CallSettings {
    checkCall(module, fn, args);
    if (this.#isClosed) throw new ClosedError('the client is closed');
    if (settings.signal?.aborted) throw abortReason(settings.signal);
    const begun = beginning(settings);
    const parentSignal = settings.parent?.signal;
    if (parentSignal?.aborted) throw abortReason(parentSignal);
    return begun;
  }

  #countUnsent(error: unknown, settings: CallSettings | undefined): void {
    const isCancelled = settings?.signal?.aborted || settings?.parent?.signal?.aborted;
    countFailure(this.#tally, isCancelled ? { code: CANCELLED } : error);
  }

  async #withEither(given: Call, { signal, release }: EitherSignal): Promise<unknown> {
    const call = withSignal(given, signal);
    try {
      return await (this.#isIntercepted(call.settings) ? this.#intercept(call) : this.#sent(call));
    } finally {
      release();
    }
  }

  #isIntercepted({ interceptors }: CallSettings): boolean {
    return interceptors !== undefined || isTraced(callChannel);
  }

  async #intercept(call: Call): Promise<unknown> {
    this.#intercepted++;
    try {
      return await intercept(call, this.#server, (inner) => this.#sent(inner));
    } finally {
      this.#onInterceptedEnd();
    }
  }

  #onInterceptedEnd(): void {
    if (--this.#intercepted === 0) this.#onLastIntercepted?.();
  }

  #sent(call: Call): Promise<unknown> {
    return new Promise((resolve, reject) => {
      try {
        this.#checkSendable(call.settings);
        this.#send(call, resolve, reject);
      } catch (error) {
        this.#countUnsent(error, call.settings);
        throw error;
      }
    });
  }

  #checkSendable({ signal }: CallSettings): void {
    if (this.#hasEnded) throw new ClosedError('the client is closed');
    if (signal?.aborted) throw abortReason(signal);
  }

  #send(call: Call, resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
    this.#enter(call, new PendingCall(this.#tally, call, resolve, reject));
  }

  #enter(call: Call, pending: PendingCall): void {
    const id = bridge.newId();
    const size = this.#post(id, call);
    // Last, because getters of the arguments may throw or never return.
    bridge.begin(id, pending);
    pending.begun(id, size);
    this.#calls++;
    this.#resolver?.touch();
  }

  /** Returns the size of the arguments in bytes. */
  #post(id: number, { module, fn, args, settings, called }: Call): number {
    const limit: SizeLimit = { bytes: settings.maxEncodedArgsSize, option: 'maxEncodedArgsSize' };
    const arity = args.length;
    let size = 0;
    bridge.jobs.add(JOB_CALL, id, settings.flags, (encoder, job) => {
      const { word, float, byte } = encoder;
      const namesLength = encoder.putText(`${module}\0${fn}`);
      const headers = encoder.byte;
      let headersLength = 0;
      if (settings.metadata !== undefined || settings.trace !== undefined) {
        headersLength = encoder.putText(callHeaders(settings.metadata, settings.trace));
      }
      let requestId = 0;
      if (settings.requestId !== undefined) {
        requestId = encoder.byte;
        encoder.putText(settings.requestId);
      }
      encoder.encode(args, settings, limit, 'args', called);
      size = encoder.byte - byte + (encoder.word - word) * 4 + (encoder.float - float) * 8;
      size += encoder.outOfBandBytes;
      const { maxBytesInFlight } = this.#settings;
      if (this.#tally.bytes > 0 && this.#tally.bytes + size > maxBytesInFlight) {
        const full = new QueueFullError({ option: 'maxBytesInFlight', limit: maxBytesInFlight });
        throw beginAtCaller(full, called);
      }
      const { words } = encoder;
      words[job + JobWord.client] = this.client;
      words[job + JobWord.names] = byte;
      words[job + JobWord.namesLength] = namesLength;
      words[job + JobWord.arity] = arity;
      words[job + JobWord.connectTimeout] = milliseconds(settings.connectTimeout);
      words[job + JobWord.recvTimeout] = milliseconds(settings.recvTimeout);
      words[job + JobWord.maxEncodedResultSize] = settings.maxEncodedResultSize;
      words[job + JobWord.maxEncodedArgsSize] = settings.maxEncodedArgsSize;
      words[job + JobWord.compressionThreshold] = Math.min(
        settings.compressionThreshold,
        MAX_UINT32,
      );
      words[job + JobWord.timeout] = milliseconds(settings.timeout);
      words[job + JobWord.maxRetries] = settings.maxRetries;
      const isStream = (settings.flags & FLAG_STREAM) !== 0;
      words[job + JobWord.hedgeDelay] = isStream ? MAX_UINT32 : milliseconds(settings.hedgeDelay);
      words[job + JobWord.headers] = headers;
      words[job + JobWord.headersLength] = headersLength;
      words[job + JobWord.requestId] = requestId;
      if (isStream) words[job + JobWord.idleTimeout] = milliseconds(settings.streamIdleTimeout);
    });
    return size;
  }
}

const NEXT = ItemStream.prototype.next;

function withSignal(call: Call, signal: AbortSignal): Call {
  return { ...call, settings: { ...call.settings, signal } };
}

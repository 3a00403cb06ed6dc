import type { AsyncResource } from 'node:async_hooks';
import { bridge, type CallHandler } from '../bridge/bridge.js';
import type { JobWriter } from '../bridge/job-queue.js';
import { JOB_END, JOB_EXCEPTION, JOB_RETURN } from '../bridge/numbers.js';
import { readArrival } from '../codec/decoder.js';
import { reviversOf } from '../codec/revivers.js';
import { LARGEST } from '../codec/serialize-error.js';
import type { Arrival } from '../codec/tape-buffers.js';
import { isTraced, serveChannel } from '../calls/channels.js';
import { isStream, type ItemSource } from '../calls/streams.js';
import { Context } from './context.js';
import { serveIntercepted } from './intercept.js';
import {
  classOf,
  type Exception,
  fallbackException,
  toException,
} from '../exceptions/exceptions.js';
import { newContext } from '../platform/host.js';
import type { ServerSettings } from './options.js';
import { Pump } from './pump.js';
import type { RegisteredFunction, Registry } from './registry.js';

export type DispatcherSettings = Pick<
  ServerSettings,
  | 'terms'
  | 'objectKeys'
  | 'markBytes'
  | 'maxDepth'
  | 'maxEncodedResultSize'
  | 'returnExceptionStacktraces'
> &
  Partial<Pick<ServerSettings, 'encoders' | 'revivers' | 'interceptors'>>;

/**
 * Never throws to Rust. Each call, including hooks of the codec and listeners of the signal, runs
 * in an asynchronous context of its own.
 */
export class Dispatcher implements CallHandler {
  readonly #functions: Registry['functions'];
  readonly #settings: DispatcherSettings;
  readonly #pumps = new Set<Pump>();

  constructor({ functions }: Registry, settings: DispatcherSettings) {
    this.#functions = functions;
    this.#settings = settings;
  }

  onCall(call: number, id: number, arrival: Arrival): void {
    const scope = newContext('BackwaterCall');
    scope.runInAsyncScope(
      this.#run,
      this,
      { call, scope, target: this.#functions[id]!, context: undefined },
      arrival,
    );
  }

  onBrokenCall(call: number, id: number, error: unknown): void {
    const scope = newContext('BackwaterCall');
    this.#raise({ call, scope, target: this.#functions[id]!, context: undefined }, error);
  }

  #run(running: RunningCall, arrival: Arrival): void {
    const { target } = running;
    let result: unknown;
    try {
      const { terms, revivers } = this.#settings;
      const exact = terms === 'exact';
      const args = readArrival(arrival, exact, reviversOf(revivers)) as unknown[];
      if (this.#settings.interceptors !== undefined || isTraced(serveChannel)) {
        this.#intercept(running, args);
        return;
      }
      if (target.context) args.unshift(contextOf(running));
      result = Reflect.apply(target.fn, undefined, args);
      if (isThenable(result)) {
        Promise.resolve(result).then(
          (value) => this.#return(running, value),
          (error: unknown) => this.#raise(running, error),
        );
        return;
      }
    } catch (error) {
      this.#raise(running, error);
      return;
    }
    this.#return(running, result);
  }

  #intercept(running: RunningCall, args: unknown[]): void {
    const { interceptors = [] } = this.#settings;
    serveIntercepted(running.target, contextOf(running), args, interceptors).then(
      (value) => this.#return(running, value),
      (error: unknown) => this.#raise(running, error),
    );
  }

  #return(running: RunningCall, value: unknown): void {
    try {
      if (isStream(value)) this.#stream(running, value);
      else this.#post(JOB_RETURN, running, value, 'result');
    } catch (error) {
      this.#raise(running, error);
    }
  }

  #stream(running: RunningCall, source: ItemSource): void {
    const { call } = running;
    const { signal } = contextOf(running);
    const pump = new Pump(source, bridge.beginItems(call, this.#settings));
    this.#pumps.add(pump);
    const ended = pump.run().finally(() => this.#pumps.delete(pump));
    if (signal.aborted) void pump.stop();
    else signal.addEventListener('abort', () => void pump.stop());
    ended
      .then(() => bridge.answer(JOB_END, call))
      .then(
        () => this.#release(running),
        (error: unknown) => this.#raise(running, error),
      );
  }

  /** Resolves when the `finally` blocks of the generators have run. */
  async stopStreams(): Promise<void> {
    await Promise.all(Array.from(this.#pumps, (pump) => pump.stop()));
  }

  #raise(running: RunningCall, thrown: unknown): void {
    const { module, name, arity } = running.target;
    const settings = this.#settings;
    const returnStacktraces = settings.returnExceptionStacktraces;
    try {
      const context = { returnStacktraces, settings, module, function: name, arity };
      this.#post(JOB_EXCEPTION, running, toException(thrown, context), 'exception');
    } catch {
      // The thrown value cannot be encoded, but its text can.
      this.#post(JOB_EXCEPTION, running, fallbackException(thrown), 'exception');
    }
  }

  #post(
    kind: typeof JOB_RETURN | typeof JOB_EXCEPTION,
    running: RunningCall,
    value: unknown,
    root: string,
  ): void {
    const { call } = running;
    const exceptionClass = kind === JOB_EXCEPTION ? classOf(value as Exception) : undefined;
    const write: JobWriter = (encoder) => {
      encoder.encode(value, this.#settings, LARGEST, root, this.onCall);
    };
    bridge.answer(kind, call, write, exceptionClass);
    this.#release(running);
  }

  #release({ scope, context }: RunningCall): void {
    scope.emitDestroy();
    context?.end();
  }
}

interface RunningCall {
  readonly call: number;
  readonly scope: AsyncResource;
  readonly target: RegisteredFunction;
  /** Set if the function or an interceptor has asked for it. */
  context: Context | undefined;
}

function contextOf(running: RunningCall): Context {
  const { call, scope, target } = running;
  running.context ??= new Context(call, scope, target);
  return running.context;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

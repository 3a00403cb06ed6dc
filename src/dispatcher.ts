import { type Arrival, bridge, type CallHandler } from './bridge.js';
import { JOB_EXCEPTION, JOB_RETURN } from './bridge/numbers.js';
import { LARGEST } from './codec/serialize-error.js';
import { Context } from './context.js';
import { fallbackException, toException } from './exceptions.js';
import type { ServerSettings } from './options.js';
import type { RegisteredFunction, Registry } from './registry.js';
import { materialise } from './terms/materialise.js';
import { reviversOf } from './terms/revive.js';

/** What of a server's options its functions' values depend on; all of it can cross to a thread. */
export type DispatcherSettings = Pick<
  ServerSettings,
  'terms' | 'objectKeys' | 'maxDepth' | 'returnExceptionStacktraces'
> &
  // Functions cannot cross.
  Partial<Pick<ServerSettings, 'encoders' | 'revivers'>>;

/**
 * Runs the functions of one server, in this thread. Nothing that they do reaches Rust as a throw.
 */
export class Dispatcher implements CallHandler {
  readonly #registry: Registry;
  readonly #settings: DispatcherSettings;
  /** Of the calls under way whose functions have asked for one. */
  readonly #contexts = new Map<number, Context>();

  constructor(registry: Registry, settings: DispatcherSettings) {
    this.#registry = registry;
    this.#settings = settings;
  }

  onCall(call: number, id: number, arrival: Arrival): void {
    // Rust only knows the ids of this registry.
    const target = this.#registry.byId(id);
    let result: unknown;
    try {
      const { areas, frame, skip } = arrival;
      const { terms, revivers } = this.#settings;
      const exact = terms === 'exact';
      const args = materialise(areas, frame, skip, exact, reviversOf(revivers)) as unknown[];
      if (target.context) args.unshift(this.#contextOf(call, target));
      result = Reflect.apply(target.fn, undefined, args);
      if (isThenable(result)) {
        Promise.resolve(result).then(
          (value) => this.#return(call, target, value),
          (error: unknown) => this.#raise(call, target, error),
        );
        return;
      }
    } catch (error) {
      this.#raise(call, target, error);
      return;
    }
    this.#return(call, target, result);
  }

  #contextOf(call: number, target: RegisteredFunction): Context {
    const context = new Context(call, target);
    this.#contexts.set(call, context);
    return context;
  }

  #return(call: number, target: RegisteredFunction, value: unknown): void {
    try {
      this.#post(JOB_RETURN, call, target, value, 'result');
    } catch (error) {
      this.#raise(call, target, error);
    }
  }

  #raise(call: number, target: RegisteredFunction, thrown: unknown): void {
    const { module, name, arity } = target;
    const returnStacktraces = this.#settings.returnExceptionStacktraces;
    try {
      const context = { returnStacktraces, module, function: name, arity };
      this.#post(JOB_EXCEPTION, call, target, toException(thrown, context), 'exception');
    } catch {
      // What was thrown is no term: its text is.
      this.#post(JOB_EXCEPTION, call, target, fallbackException(thrown), 'exception');
    }
  }

  #post(
    kind: typeof JOB_RETURN | typeof JOB_EXCEPTION,
    call: number,
    target: RegisteredFunction,
    value: unknown,
    root: string,
  ): void {
    bridge.answer(kind, call, (encoder) => {
      encoder.encode(value, this.#settings, LARGEST, root, this.onCall);
    });
    if (!target.context) return;
    this.#contexts.get(call)?.end();
    this.#contexts.delete(call);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

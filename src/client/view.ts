import type { Interceptor } from '../calls/interceptor.js';
import { BackwaterError, type BackwaterErrorCode } from '../errors/errors.js';
import type { RemoteStream } from './item-stream.js';
import {
  callOptions,
  type CallOptions,
  type CallSettings,
  clientOptions,
  type StreamOptions,
  streamOptions,
} from './options.js';
import { isError } from '../platform/realms.js';
import type { Term } from '../terms/values.js';
import type { CallMaker } from './call-maker.js';
import { checkName } from './check-call.js';
import {
  type AnyModule,
  remoteModule,
  type RemoteModule,
  type StreamsOf,
} from './remote-module.js';

/** The error of {@link ClientView.tryCall}. */
export type CallError = Error & {
  /** The kind of error, if it has a code. */
  readonly code?: BackwaterErrorCode | (string & {}) | number;
};

/** The result of {@link ClientView.tryCall}. */
export type CallResult<T = Term> =
  | {
      /** Whether the call succeeded. */
      readonly ok: true;
      /** The returned value. */
      readonly value: T;
    }
  | {
      /** Whether the call succeeded. */
      readonly ok: false;
      /** The error that {@link ClientView.call} would have rejected with. */
      readonly error: CallError;
    };

/** @internal */
export let intercepting: (
  view: ClientView,
  interceptors: readonly Interceptor[] | undefined,
) => ClientView;

/**
 * Makes calls over the connections of a {@link Client} with other default options; see {@link
 * ClientView.with}.
 */
export class ClientView {
  readonly #maker: CallMaker;
  readonly #defaults: CallSettings;

  static {
    intercepting = (view, interceptors) => {
      if (interceptors === undefined) return view;
      const { interceptors: list } = clientOptions({ interceptors });
      return new ClientView(view.#maker, { ...view.#defaults, interceptors: list });
    };
  }

  /** @internal */
  constructor(maker: CallMaker, defaults: CallSettings) {
    this.#maker = maker;
    this.#defaults = defaults;
  }

  /**
   * Calls a function and waits for its value.
   *
   * @param module the module's name, as the server exposes it
   * @param fn the function's name
   * @param args its arguments, at most 255
   * @throws {@link RemoteException} if the function raised an exception; {@link RemoteError} if the server
   * refused the call; another {@link BackwaterError} if no trusted answer arrived; the signal's reason if the
   * call was aborted
   */
  call<T = Term>(
    module: string,
    fn: string,
    args: readonly unknown[] = [],
    options?: CallOptions,
  ): Promise<T> {
    return this.#maker.make(module, fn, args, options, this.#defaults, this.call) as Promise<T>;
  }

  /**
   * Calls a function and iterates over its items as they arrive. The call is made when you take the first
   * item.
   *
   * If the function returns a list instead of a stream, its items are iterated. Any other value is the only
   * item.
   *
   * @example
   * ```ts
   * import { Client } from 'backwater';
   * const client = new Client({ url: '127.0.0.1:8080', secret: process.env.SECRET! });
   * for await (const line of client.stream<string>('log', 'tail', [10])) console.log(line);
   * ```
   */
  stream<T = Term>(
    module: string,
    fn: string,
    args: readonly unknown[] = [],
    options?: StreamOptions,
  ): RemoteStream<T> {
    return this.#maker.stream(module, fn, args, options, this.#defaults) as RemoteStream<T>;
  }

  /** Like {@link Client.call}, but never rejects. */
  async tryCall<T = Term>(
    module: string,
    fn: string,
    args: readonly unknown[] = [],
    options?: CallOptions,
  ): Promise<CallResult<T>> {
    try {
      return { ok: true, value: await this.call<T>(module, fn, args, options) };
    } catch (error) {
      return { ok: false, error: isError(error) ? error : BackwaterError.from(error) };
    }
  }

  /**
   * The functions of a remote module as methods.
   *
   * Names that JavaScript, loggers and test runners look up on any object, such as `then`, are not remote
   * functions; docs/client.md lists them. Use {@link Client.call} for functions with such names.
   *
   * @example
   * ```ts
   * import { Client } from 'backwater';
   * interface StringModule { to_upper(text: string): string }
   * const client = new Client({ url: '127.0.0.1:8080', secret: 'at least 32 bytes of random data' });
   * const strings = client.module<StringModule>('string');
   * const upper: Promise<string> = strings.to_upper('hello');
   * ```
   */
  module<Module extends object = AnyModule>(
    name: string,
    options?: CallOptions,
  ): RemoteModule<Module> {
    callOptions(options, this.#defaults);
    checkName('module', name);
    return remoteModule(name, (fn, args) =>
      this.call(name, fn, args, options),
    ) as RemoteModule<Module>;
  }

  /** The functions of a remote module as methods that return a {@link RemoteStream}. */
  streams<Module extends object = AnyModule>(
    name: string,
    options?: StreamOptions,
  ): StreamsOf<Module> {
    streamOptions(options, this.#defaults);
    checkName('module', name);
    return remoteModule(name, (fn, args) =>
      this.stream(name, fn, args, options),
    ) as StreamsOf<Module>;
  }

  /**
   * A view of this client with other defaults for calls, over the same connections. You need not close it.
   *
   * Views can be nested. A call's options override its view's, and metadata is merged.
   *
   * @throws {@link OptionError} naming the option that is unknown or has an invalid value
   */
  with(options: CallOptions): ClientView {
    return new ClientView(this.#maker, callOptions(options, this.#defaults));
  }
}

import { type Arrival, bridge, type CallHandler, JOB_EXCEPTION, JOB_RETURN } from './bridge.js';
import { fallbackException, toException } from './exceptions.js';
import { parseSecrets, serverOptions, type ServerOptions, type ServerSettings } from './options.js';
import {
  createRegistry,
  type Modules,
  type Registry,
  type RegisteredFunction,
} from './registry.js';
import { flatten } from './terms/flatten.js';
import { materialise } from './terms/materialise.js';

/** Figures of a server. */
export interface ServerStats {
  /** Open connections. */
  readonly connections: number;
  /** Calls that have not been answered yet. */
  readonly pending: number;
  /** Calls taken since the start. */
  readonly calls: number;
}

/** How a server is closed. */
export interface CloseOptions {
  /** How long calls under way may take to end, in milliseconds, before they are cut. Default 5000. */
  readonly timeout?: number;
}

/** A running server; made by {@link startClearServer}. */
export interface Server extends AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The port that it listens on. */
  readonly port: number;
  /** Figures of this moment. */
  stats(): ServerStats;
  /**
   * Stops accepting, lets calls under way end for at most `timeout` milliseconds, then cuts them.
   * Calling it again waits for the same end.
   */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Starts a server without TLS.
 *
 * @param secret the secret shared with the callers, or several of which any is accepted
 * @param modules what can be called: module name → functions, see {@link expose}
 * @param options see {@link ServerOptions}; listens on port 8080 by default
 * @throws OptionError when an option or a module is wrong; ConnectError-like system errors such as
 * EADDRINUSE when it cannot listen
 * @example
 * ```ts
 * import { startClearServer } from 'backwater';
 * const server = await startClearServer(process.env.SECRET!, {
 *   string: { to_upper: (text: string) => text.toUpperCase() },
 * });
 * console.log(server.url);
 * ```
 */
export async function startClearServer(
  secret: string | Uint8Array | readonly (string | Uint8Array)[],
  modules: Modules,
  options?: ServerOptions,
): Promise<Server> {
  const secrets = parseSecrets(secret);
  const settings = serverOptions(options);
  const registry = createRegistry(modules);
  const handler = new Dispatcher(registry, settings);
  const started = await bridge.operation<{ server: number; host: string; port: number }>((id) => {
    bridge.native.startServer(nativeOptions(settings, registry), secrets, id);
  });
  bridge.addServer(started.server, handler);
  bridge.hold();
  return new RunningServer(started.server, started.host, started.port, handler);
}

class RunningServer implements Server {
  readonly url: string;
  readonly port: number;
  readonly #id: number;
  readonly #handler: Dispatcher;
  #closing: Promise<void> | undefined;

  constructor(id: number, host: string, port: number, handler: Dispatcher) {
    this.#id = id;
    this.#handler = handler;
    this.port = port;
    const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
    this.url = `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
  }

  stats(): ServerStats {
    const connections = this.#closing ? 0 : bridge.native.serverConnections(this.#id);
    return { connections, pending: this.#handler.pending, calls: this.#handler.calls };
  }

  close(options?: CloseOptions): Promise<void> {
    const timeout = serverOptions.closeTimeout(options);
    this.#closing ??= this.#close(timeout);
    return this.#closing;
  }

  async #close(timeout: number): Promise<void> {
    try {
      await bridge.operation((id) => bridge.native.closeServer(this.#id, timeout, id));
    } finally {
      bridge.removeServer(this.#id);
      bridge.release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Runs the functions of one server. Nothing that they do reaches Rust as a throw. */
class Dispatcher implements CallHandler {
  pending = 0;
  calls = 0;
  readonly #registry: Registry;
  readonly #settings: ServerSettings;

  constructor(registry: Registry, settings: ServerSettings) {
    this.#registry = registry;
    this.#settings = settings;
  }

  onCall(call: number, id: number, arrival: Arrival): void {
    this.calls++;
    this.pending++;
    // Rust only knows the ids of this registry.
    const target = this.#registry.byId(id);
    let result: unknown;
    try {
      const { areas, frame, skip } = arrival;
      const args = materialise(areas, frame, skip, this.#settings.terms === 'exact');
      result = Reflect.apply(target.fn, undefined, args as unknown[]);
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

  #return(call: number, target: RegisteredFunction, value: unknown): void {
    try {
      this.#post(JOB_RETURN, call, value, 'result');
    } catch (error) {
      this.#raise(call, target, error);
    }
  }

  #raise(call: number, target: RegisteredFunction, thrown: unknown): void {
    const { module, name, arity } = target;
    const returnStacktraces = this.#settings.returnExceptionStacktraces;
    try {
      const context = { returnStacktraces, module, function: name, arity };
      this.#post(JOB_EXCEPTION, call, toException(thrown, context), 'exception');
    } catch {
      // What was thrown is no term: its text is.
      this.#post(JOB_EXCEPTION, call, fallbackException(thrown), 'exception');
    }
  }

  #post(kind: number, call: number, value: unknown, root: string): void {
    bridge.post(kind, call, [], () => {
      flatten(bridge.outbox, value, this.#settings, root);
    });
    this.pending--;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

/** Options in the form that the addon takes. */
function nativeOptions(settings: ServerSettings, registry: Registry): string {
  const none = 2 ** 32 - 1;
  return JSON.stringify({
    host: settings.host,
    port: settings.port,
    recvTimeout: Math.min(settings.recvTimeout, none),
    maxEncodedArgsSize: settings.maxEncodedArgsSize,
    maxEncodedResultSize: settings.maxEncodedResultSize,
    compressionThreshold: Math.min(settings.compressionThreshold, none),
    gzipLevel: settings.gzipLevel,
    maxConnections: Math.min(settings.maxConnections, none),
    maxCallsInFlight: Math.min(settings.maxCallsInFlight, none),
    maxDepth: settings.maxDepth,
    maxTerms: settings.maxTerms,
    flags: settings.flags,
    functions: registry.functions.map(({ id, module, name, arity }) => [id, module, name, arity]),
    modules: registry.modules,
  });
}

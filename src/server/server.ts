import process from 'node:process';
import { environment } from '../platform/environment.js';
import cluster from 'node:cluster';
import { URL } from 'node:url';
import { bridge } from '../bridge/bridge.js';
import { Dispatcher } from './dispatcher.js';
import { ClosedError, type ExceptionClass, ListenError } from '../errors/errors.js';
import { errorOf } from '../bridge/failures.js';
import { addressText } from '../platform/inspect.js';
import { nativeOptions, type NativeReplayOptions, type ServerAddress } from '../platform/native.js';
import { maxValueSize } from '../platform/heap.js';
import { defaultIoThreads } from '../options/io-threads.js';
import { ownProperties } from '../platform/own-properties.js';
import { type NativeCaller, parseCallers, type ServerSecrets } from '../options/callers.js';
import { refuseOption } from '../options/table.js';
import {
  closeOptions,
  type CloseOptions,
  type CloseSettings,
  serverOptions,
  type ServerOptions,
  type ServerSettings,
} from './options.js';
import { isUrl } from '../platform/realms.js';
import type { CheckedModules } from './exposed-types.js';
import { createRegistry, type Modules } from './registry.js';
import {
  certificateOptions,
  type NativeTlsServer,
  type TlsCertificate,
  tlsServerOptions,
  type TlsServerOptions,
} from '../options/tls.js';
import { type FunctionTable, tableOf } from './workers/messages.js';
import { WorkerPool, type WorkerStats } from './workers/workers.js';

/** Statistics of a server. */
export interface ServerStats {
  /** Open connections. */
  readonly connections: number;
  /** Unanswered calls whose callers are still waiting. */
  readonly pending: number;
  /** Streams in progress. */
  readonly streams: number;
  /** Calls whose callers have gone away, but whose functions have not settled. */
  readonly abandoned: number;
  /** The used part of `maxBytesInFlight`, in bytes. */
  readonly bytesInFlight: number;
  /** Calls since the start. */
  readonly calls: number;
  /**
   * Requests since the start that reached no function, by reason, such as `{ invalid_signature: 3 }`. See
   * docs/server.md.
   */
  readonly refused: Readonly<Record<string, number>>;
  /** Calls since the start that raised an exception, by class. */
  readonly exceptions: Readonly<Record<ExceptionClass, number>>;
  /** Counts of each named caller. */
  readonly callers: Readonly<Record<string, CallerStats>>;
  /** The worker threads, if any. */
  readonly workers: readonly WorkerStats[];
}

/** Counts of a caller since the server first knew it. */
export interface CallerStats {
  /** Calls. */
  readonly calls: number;
  /** Refused requests. Requests with a wrong secret belong to no caller. */
  readonly refused: number;
}

/** Options of {@link startTlsServer}. */
export interface SecureServerOptions extends ServerOptions {
  /** The certificate, and which clients to accept. */
  readonly tls: TlsServerOptions;
}

/** A running server. */
export interface Server extends AsyncDisposable {
  /** The URL of the server, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The port that it listens on. */
  readonly port: number;
  /** Returns current statistics. */
  stats(): ServerStats;
  /**
   * Replaces the secrets for requests from now on. See {@link Client.setSecrets} for the order of a rotation.
   *
   * @throws {@link OptionError} if the secret is missing or invalid; {@link ClosedError} if the server is
   * closed
   */
  setSecrets(secrets: ServerSecrets): void;
  /**
   * Reports for `drainDelay` milliseconds that it is closing, while it still serves. Then stops accepting
   * connections, gives calls up to `timeout` milliseconds, and closes the remaining connections.
   *
   * A second call of `close` waits for the same end, and its options can hasten it.
   */
  close(options?: CloseOptions): Promise<void>;
}

/** A running server with TLS. */
export interface TlsServer extends Server {
  /**
   * Replaces the certificate for new connections. Files are read again, so their paths may be the same.
   *
   * @throws {@link OptionError} if the certificate or key is unusable; the old one stays
   */
  setCertificate(certificate: TlsCertificate): Promise<void>;
}

type Encoders = ServerOptions['encoders'];

/**
 * Starts a server without TLS.
 *
 * @param secret one secret, several, or the secrets of each caller by name
 * @param modules the modules by name, or the URL of a file that worker threads import (docs/workers.md)
 * @param options listens on port 8080 by default
 * @throws {@link OptionError} if an option or a module is invalid; {@link ListenError} if the server cannot
 * listen
 * @example
 * ```ts
 * import { startClearServer } from 'backwater';
 * const server = await startClearServer(process.env.SECRET!, {
 *   string: { to_upper: (text: string) => text.toUpperCase() },
 * });
 * console.log(server.url);
 * ```
 */
export async function startClearServer<M extends Modules | URL, E extends Encoders = undefined>(
  secret: ServerSecrets,
  modules: M & CheckedModules<M, E>,
  options?: ServerOptions & { readonly tls?: undefined; readonly encoders?: E },
): Promise<Server> {
  const callers = checkedCallers(secret);
  const settings = serverOptions(withoutTls(options));
  const server = await startServer(callers, modules, settings, null);
  warnOfExposure(settings, server);
  return server;
}

const EVERYWHERE: readonly string[] = ['0.0.0.0', '::', '::0', '0'];
let hasWarned = false;

function warnOfExposure({ host, replayProtection }: ServerSettings, { port }: Server): void {
  if (hasWarned || replayProtection !== 'off' || !EVERYWHERE.includes(host)) return;
  hasWarned = true;
  process.emitWarning(
    `a server without TLS and without replay protection listens on all interfaces, ${addressText(host, port)}: ` +
      'anyone who can read its traffic can repeat calls. Set host to the address of a private network ' +
      "or '127.0.0.1', set replayProtection, or use startTlsServer",
    { type: 'BackwaterWarning', code: 'BACKWATER_PUBLIC_SERVER' },
  );
}

function withoutTls(options: ServerOptions | undefined): ServerOptions | undefined {
  if (typeof options !== 'object' || options === null) return options;
  if (!Object.hasOwn(options, 'tls')) return options;
  const { tls, ...rest }: ServerOptions & { readonly tls?: unknown } = options;
  if (tls === undefined) return rest;
  throw refuseOption('tls', 'is for startTlsServer');
}

const TLS_PORT = 8443;

/**
 * Starts a server with TLS 1.2 and 1.3. `secret` and `modules` are as for {@link startClearServer}.
 *
 * @param options listens on port 8443 by default
 * @throws {@link OptionError} if an option, a module, the certificate or its key is invalid;
 * {@link ListenError} if the server cannot listen
 */
export async function startTlsServer<M extends Modules | URL, E extends Encoders = undefined>(
  secret: ServerSecrets,
  modules: M & CheckedModules<M, E>,
  options: SecureServerOptions & { readonly encoders?: E },
): Promise<TlsServer> {
  const callers = checkedCallers(secret);
  const { tls, ...rest } = ownProperties(options);
  const settings = serverOptions({ ...rest, port: rest.port ?? TLS_PORT });
  return await startServer(callers, modules, settings, tlsServerOptions(tls));
}

async function startServer(
  callers: NativeCaller[],
  modules: Modules | URL,
  settings: ServerSettings,
  tls: NativeTlsServer | null,
): Promise<RunningServer> {
  const scheme = tls === null ? 'http' : 'https';
  if (isUrl(modules)) {
    refuseFunctions(settings);
    const pool = await WorkerPool.start(new URL(modules.href), settings);
    try {
      const id = environment.reserveServer(true);
      await pool.serve(id);
      const address = await listen(id, settings, tls, pool.table, callers);
      return new RunningServer(id, scheme, address, pool);
    } catch (error) {
      await pool.close();
      throw error;
    }
  }
  refuseWorkers(settings);
  const registry = createRegistry(modules);
  const id = environment.reserveServer(false);
  bridge.addServer(id, new Dispatcher(registry, settings));
  try {
    const address = await listen(id, settings, tls, tableOf(registry), callers);
    bridge.spinner.set(`server ${id}`, settings.spin);
    return new RunningServer(id, scheme, address, undefined);
  } catch (error) {
    bridge.removeServer(id);
    throw error;
  }
}

async function listen(
  id: number,
  settings: ServerSettings,
  tls: NativeTlsServer | null,
  table: FunctionTable,
  callers: NativeCaller[],
): Promise<ServerAddress> {
  try {
    await bridge.operation((operation) => {
      environment.startServer(id, optionsOf(settings, tls, table), callers, operation);
    });
    return environment.serverAddress(id)!;
  } catch (error) {
    // The stack should show the code that starts the server.
    if (error instanceof ListenError) Error.captureStackTrace(error, listen);
    throw error;
  }
}

function refuseWorkers({ workers, workerOptions }: ServerSettings): void {
  for (const [option, value] of Object.entries({ workers, workerOptions })) {
    if (value === undefined) continue;
    throw refuseOption(
      option,
      'needs modules that worker threads can import: pass their URL, such as ' +
        "new URL('./modules.js', import.meta.url), instead of the modules themselves",
    );
  }
}

function refuseFunctions({ encoders, revivers, interceptors }: ServerSettings): void {
  if (interceptors !== undefined) {
    throw refuseOption(
      'interceptors',
      'has functions, which cannot cross to worker threads: export them from the ' +
        'file that the URL names, as in export const interceptors = [log]',
    );
  }
  for (const [option, value] of Object.entries({ encoders, revivers })) {
    if (value === undefined || value.length === 0) continue;
    throw refuseOption(
      option,
      'has functions, which cannot cross to worker threads: pass the modules ' +
        'themselves instead of their URL',
    );
  }
}

function checkedCallers(secrets: ServerSecrets): NativeCaller[] {
  const callers = parseCallers(secrets);
  const failure = environment.checkCallers(callers);
  if (failure !== null) throw errorOf(failure);
  return callers;
}

class RunningServer implements TlsServer {
  readonly url: string;
  readonly port: number;
  readonly #id: number;
  readonly #pool: WorkerPool | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(
    id: number,
    scheme: string,
    { host, port }: ServerAddress,
    pool: WorkerPool | undefined,
  ) {
    this.#id = id;
    this.#pool = pool;
    this.port = port;
    const name = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
    this.url = `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}`;
    bridge.hold();
  }

  stats(): ServerStats {
    const { workers, refused, exceptions, callers, ...figures } = environment.serverStats(this.#id);
    const [error = 0, exit = 0, thrown = 0] = exceptions;
    return {
      ...figures,
      refused: Object.fromEntries(refused.map(({ name, count }) => [name, count])),
      exceptions: { error, exit, throw: thrown },
      callers: Object.fromEntries(callers.map(({ name, ...stats }) => [name, stats])),
      workers: this.#pool?.stats(workers) ?? [],
    };
  }

  async setCertificate(certificate: TlsCertificate): Promise<void> {
    const { cert, key } = certificateOptions(certificate);
    if (this.#closed) throw new ClosedError('the server is closed');
    const failure = environment.setCertificate(this.#id, cert, key);
    if (failure !== null) throw errorOf(failure);
  }

  setSecrets(secrets: ServerSecrets): void {
    const callers = checkedCallers(secrets);
    if (this.#closed) throw new ClosedError('the server is closed');
    environment.setServerCallers(this.#id, callers);
  }

  close(options?: CloseOptions): Promise<void> {
    const settings = closeOptions(options);
    if (this.#closing === undefined) this.#closing = this.#close(settings);
    else if (options && !this.#closed) this.#beginToClose(settings).catch(() => {});
    return this.#closing;
  }

  async #close(settings: CloseSettings): Promise<void> {
    try {
      await this.#beginToClose(settings);
    } finally {
      bridge.spinner.set(`server ${this.#id}`, 0);
      this.#closed = true;
      bridge.removeServer(this.#id);
      await this.#pool?.close();
      bridge.release();
    }
  }

  #beginToClose({ drainDelay, timeout }: CloseSettings): Promise<void> {
    return bridge.operation((operation) => {
      environment.closeServer(this.#id, drainDelay, timeout, operation);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function replayOptions(settings: ServerSettings): NativeReplayOptions | null {
  const { replayProtection, audience, maxClockDifference, replayCapacity } = settings;
  if (replayProtection === 'off') {
    if (audience === undefined) return null;
    throw refuseOption('audience', "has no effect without replayProtection 'prefer' or 'require'");
  }
  return nativeOptions({
    required: replayProtection === 'require',
    audiences: audience === undefined ? [] : [audience].flat(),
    maxClockDifference,
    capacity: replayCapacity,
  });
}

/** Also applies to pm2's cluster mode. */
function sharesPortByDefault(): boolean {
  return cluster.isWorker && process.platform !== 'win32';
}

function optionsOf(
  settings: ServerSettings,
  tls: NativeTlsServer | null,
  table: FunctionTable,
): Parameters<typeof environment.startServer>[1] {
  const { recvTimeout, headersTimeout = recvTimeout } = settings;
  return nativeOptions({
    ...settings,
    reusePort: settings.reusePort ?? sharesPortByDefault(),
    tls,
    headersTimeout,
    requestTimeout: settings.requestTimeout ?? headersTimeout + recvTimeout,
    ioThreads: settings.ioThreads ?? defaultIoThreads(),
    maxValueSize: maxValueSize(settings.workerOptions?.resourceLimits),
    replay: replayOptions(settings),
    ...table,
  });
}

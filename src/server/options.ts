import { copied, interception } from '../calls/interceptor.js';
import { SHARE_ENV, type WorkerOptions as ThreadOptions } from 'node:worker_threads';
import { compression, limits, messages, readingFlags } from '../codec/options.js';
import { MAX_IO_THREADS } from '../options/io-threads.js';
import { option, type OptionsOf, readOptions, type Values } from '../options/table.js';
import {
  audiences,
  boolean,
  bytesInFlight,
  healthPath,
  hostName,
  integer,
  integerOrInfinity,
  MAX_TIMEOUT,
  objectWith,
  oneOf,
  optional,
  spinning,
  timeout,
} from '../options/types.js';
import { DEFAULT_BYTES_IN_FLIGHT } from '../platform/heap.js';

/** Options of Node's `Worker` for a server's worker threads. */
export type WorkerOptions = Pick<
  ThreadOptions,
  'argv' | 'env' | 'execArgv' | 'resourceLimits' | 'name'
>;

const count = integerOrInfinity(1, 2 ** 31 - 1);

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const serverTable = {
  ...messages,
  ...limits,
  ...compression,
  /**
   * The address to listen on. The default is all IPv4 interfaces, `'::'` all interfaces, `'127.0.0.1'` this
   * machine only.
   */
  host: option(hostName, '0.0.0.0'),
  /**
   * The port to listen on, or 0 for a free one: see `server.port`.
   *
   * @defaultValue 8080, or 8443 with TLS
   */
  port: option(integer(0, 65535), 8080),
  /**
   * Whether processes of the same user that set this option share the port (`SO_REUSEPORT`).
   *
   * Linux spreads connections over the processes, macOS uses one of them, and Windows does not support it.
   *
   * @defaultValue `true` in workers of `node:cluster`, otherwise `false`
   */
  reusePort: option(optional(boolean), undefined),
  /** The limit for receiving the body of a request, in milliseconds. */
  recvTimeout: option(timeout, 5000),
  /**
   * The limit for receiving the head of a request, in milliseconds.
   *
   * On a new connection, it includes the TLS handshake and any wait for the request. Erlang's clients need at
   * least 3000.
   *
   * @defaultValue `recvTimeout`
   */
  headersTimeout: option(optional(timeout), undefined),
  /**
   * The limit for receiving a request from its first byte to its last, in milliseconds.
   *
   * @defaultValue `headersTimeout` + `recvTimeout`
   */
  requestTimeout: option(optional(timeout), undefined),
  /**
   * How long a connection may be idle between two requests, in milliseconds.
   *
   * Responses announce it in seconds. Make it longer than callers and load balancers keep idle connections.
   */
  keepAliveTimeout: option(timeout, 65_000),
  /** How long a caller may read nothing of its answer before its connection is closed, in milliseconds. */
  sendTimeout: option(timeout, 30_000),
  /** How many bytes the head of a request may have. Larger requests get a 431. */
  maxHeaderSize: option(integer(1024, 1_048_576, 'bytes'), 16_384),
  /** How many headers a request may have. Requests with more get a 431. */
  maxHeaders: option(integer(16, 1000), 100),
  /** Whether callers receive the stack traces of exceptions. */
  returnExceptionStacktraces: option(boolean, true),
  /** How many connections may be open. Connections beyond that wait. */
  maxConnections: option(count, 10_000),
  /**
   * How many calls may be in flight. Calls beyond that get a 503.
   *
   * {@link ServerStats.abandoned} calls do not count.
   */
  maxCallsInFlight: option(count, 4096),
  /**
   * How many streams may be in flight. Streams beyond that get a 503, and their generators are ended.
   *
   * A stream counts as a call until its first items are sent.
   */
  maxStreams: option(count, 1024),
  /**
   * How long a stream may be silent before a ping shows that it is alive, in milliseconds. `Infinity` means
   * no pings.
   *
   * Make it less than half of the `idleTimeout` of callers, and of the proxies in between.
   */
  streamPingInterval: option(timeout, 10_000),
  ...spinning,
  /**
   * A path such as `'/healthz'` that answers unsigned GET and HEAD requests with 200, or with 503 once the
   * server is closing.
   */
  health: option(optional(healthPath), undefined),
  /**
   * How many bytes calls may take: their arguments until the function has settled, and their results until
   * they are sent.
   *
   * A call that does not fit waits, and gets a 503 after `recvTimeout`. Messages of at most 16 KiB do not
   * count. docs/limits.md lists the sizes of values.
   *
   * @defaultValue 256 MiB, or a quarter of V8's heap limit if that is less
   */
  maxBytesInFlight: option(bytesInFlight, DEFAULT_BYTES_IN_FLIGHT),
  /**
   * How many worker threads serve a module given as a URL. Each imports its own instance.
   *
   * @defaultValue `os.availableParallelism()`
   */
  workers: option(integer(1, 1024), undefined),
  /**
   * How many I/O threads the connections are spread over. All servers and clients of the process share them.
   *
   * @defaultValue `BACKWATER_IO_THREADS`, or one for every four cores, at most 4
   */
  ioThreads: option(integer(1, MAX_IO_THREADS), undefined),
  /** Options of Node's `Worker` for the worker threads. */
  workerOptions: option(
    objectWith<WorkerOptions>({
      argv: Array.isArray,
      env: (env) => env === SHARE_ENV || isObject(env),
      execArgv: (flags) => Array.isArray(flags) && flags.every((flag) => typeof flag === 'string'),
      resourceLimits: isObject,
      name: (name) => typeof name === 'string',
    }),
    undefined,
  ),
  /**
   * Which requests to check for replays: none, those with a time (`'prefer'`), or all, which refuses requests
   * without one (`'require'`). See docs/replay.md.
   */
  replayProtection: option(oneOf('off', 'prefer', 'require'), 'off'),
  /** The server's name or names. Requests for other names are refused. Requires `replayProtection`. */
  audience: option(audiences, undefined),
  /** How much the clocks of caller and server may differ, in milliseconds. Requires `replayProtection`. */
  maxClockDifference: option(integer(1, 86_400_000, 'milliseconds'), 60_000),
  /**
   * How many requests are remembered. Requests beyond that get a 503. Requires `replayProtection`.
   *
   * Each is remembered for two to four times `maxClockDifference`. A million take about 40 MB.
   */
  replayCapacity: option(integer(1, 2 ** 31 - 1), 1_000_000),
  ...interception,
};

export const closeTable = {
  /**
   * How long calls in flight may take to end after `drainDelay`, in milliseconds. Then their connections are
   * closed.
   */
  timeout: option(integer(0, MAX_TIMEOUT, 'milliseconds'), 5000),
  /**
   * How long the server still accepts calls, in milliseconds, while `health` answers 503 and each answer
   * closes its connection.
   *
   * Make it as long as a load balancer takes to notice.
   */
  drainDelay: option(integer(0, MAX_TIMEOUT, 'milliseconds'), 0),
};

/** Options of a server. */
export interface ServerOptions extends OptionsOf<typeof serverTable> {}

/** Options of closing a server. */
export interface CloseOptions extends OptionsOf<typeof closeTable> {}

export interface ServerSettings extends Readonly<Values<typeof serverTable>> {
  readonly flags: number;
}

export type CloseSettings = Readonly<Values<typeof closeTable>>;

export function serverOptions(input?: ServerOptions | null): ServerSettings {
  const values = readOptions(serverTable, input, 'the server');
  const interceptors = copied(values.interceptors);
  return Object.freeze({ ...values, interceptors, flags: readingFlags(values) });
}

export function closeOptions(input?: CloseOptions | null): CloseSettings {
  return readOptions(closeTable, input, 'close');
}

import { DEFAULT_DEPTH, MAX_DEPTH } from '../codec/tape.js';
import { OptionError } from '../errors/errors.js';
import { SHARE_ENV, type WorkerOptions as ThreadOptions } from 'node:worker_threads';
import { fallbacks, option, readOptions, type TableOf, type Values } from './table.js';
import {
  abortSignal,
  audience,
  audiences,
  boolean,
  healthPath,
  dnsServers,
  hostName,
  integer,
  integerOrInfinity,
  listOf,
  metadata,
  MAX_TIMEOUT,
  objectWith,
  oneOf,
  optional,
  timeout,
} from './types.js';
import { DEFAULT_BYTES_IN_FLIGHT } from '../platform/heap.js';
import { Metadata, type MetadataInput, type TraceHeaders } from './metadata.js';
import type { AbortSignalLike } from '../platform/realms.js';
import type { ClientUrl } from '../resolve/targets.js';
import { MAX_IO_THREADS } from './io-threads.js';
import type { Secret } from './secrets.js';
import { MAX_ATOM_LENGTH } from '../terms/atom.js';
import type { Encoder } from '../terms/hooks.js';
import { type Reviver, reviversOf } from '../codec/revivers.js';
import type { TlsClientOptions } from './tls.js';

export { type Endpoint, parseEndpoint } from './endpoint.js';
export { parseSecrets, type Secret } from './secrets.js';

/** How terms become JavaScript values. */
export interface ReadOptions {
  /** `'js'` (default) gives the values one works with, `'exact'` those that lose nothing. */
  readonly terms?: 'js' | 'exact' | undefined;
  /**
   * What binaries become with `terms: 'js'`. `'auto'` (default): a Buffer if the sender has marked them as
   * bytes, see {@link EncodeOptions.markBytes}, or if they are not UTF-8, and otherwise a string. `'buffer'`:
   * always a Buffer. `'string'`: always a string, and an error if they are not UTF-8.
   */
  readonly binaries?: 'auto' | 'buffer' | 'string' | undefined;
  /**
   * Whether atoms that this program has not made itself, and external functions, are taken. Default
   * true.
   */
  readonly decodeUnsafeTerms?: boolean | undefined;
  /**
   * What makes values of one's own of some terms, such as of the structs of a module. The list counts
   * as it was when first used. With `terms: 'exact'` nothing is made. Default: none.
   */
  readonly revivers?: readonly Reviver[] | undefined;
}

/** How JavaScript values become terms. */
export interface WriteOptions {
  /** What the keys of plain objects become: `'binary'` (default) or `'atom'`. */
  readonly objectKeys?: 'binary' | 'atom' | undefined;
  /** What objects of classes are sent as that are no terms; see also {@link toTerm}. Default: none. */
  readonly encoders?: readonly Encoder[] | undefined;
}

/** Bounds on what a message may make of the memory. */
export interface LimitOptions {
  /** How deep terms may be nested, in either direction: 1 to 1,500. Default 1,000. */
  readonly maxDepth?: number | undefined;
  /** How many terms a message may have, those inside of others included. Default 16,777,216. */
  readonly maxTerms?: number | undefined;
}

/** Options of {@link decode}. */
export interface DecodeOptions extends ReadOptions, LimitOptions {
  /** Not used in decoding: hooks for both ways, such as those of {@link elixir}, go as they are. */
  readonly encoders?: WriteOptions['encoders'];
}

/** Options of {@link encode}. */
export interface EncodeOptions extends WriteOptions {
  /** How deep terms may be nested: 1 to 1,500. Default 1,000. */
  readonly maxDepth?: number | undefined;
  /** The most bytes that the encoding may have: 1 to 268,435,455, which is the default. */
  readonly maxSize?: number | undefined;
  /**
   * Whether a `Uint8Array` is marked as bytes, so that {@link decode} returns a Buffer for it even if it holds
   * text. Erlang and Elixir read it as an ordinary binary. An empty one cannot be marked. Default false, which
   * is the encoding that `term_to_binary` writes.
   */
  readonly markBytes?: boolean | undefined;
  /** Not used in encoding: hooks for both ways, such as those of {@link elixir}, go as they are. */
  readonly revivers?: ReadOptions['revivers'];
}

/** Options of {@link toErlang}. */
export interface ToErlangOptions extends WriteOptions {
  /** Not used in printing: hooks for both ways, such as those of {@link elixir}, go as they are. */
  readonly revivers?: ReadOptions['revivers'];
  /**
   * Whether lists of printable ASCII characters are written as text: `"abc"` instead of `[97,98,99]`.
   * Default true.
   */
  readonly charlists?: boolean | undefined;
}

/** Options of {@link toElixir}. */
export interface ToElixirOptions extends WriteOptions {
  /** Not used in printing: hooks for both ways, such as those of {@link elixir}, go as they are. */
  readonly revivers?: ReadOptions['revivers'];
  /**
   * Whether lists of printable ASCII characters are written as text: `~c"abc"` instead of
   * `[97, 98, 99]`. Default true.
   */
  readonly charlists?: boolean | undefined;
  /**
   * Whether maps with a key `__struct__` are written as structs: `%Date{…}` instead of
   * `%{__struct__: Date, …}`, which can be read where there is no such module, too. Default true.
   */
  readonly structs?: boolean | undefined;
}

/** Options of {@link fromErlang}. */
export interface FromErlangOptions extends DecodeOptions {}

/** What client and server have in common in making and taking messages. */
export interface MessageOptions extends ReadOptions, WriteOptions {
  /**
   * Whether a `Uint8Array` is marked as bytes, so that this library's peers receive a Buffer even if it holds
   * text. Erlang and Elixir read it as an ordinary binary. Default: true with `terms: 'js'`, false with
   * `terms: 'exact'`.
   */
  readonly markBytes?: boolean | undefined;
  /**
   * From how many bytes on a body is compressed, unless that makes it larger. Default 300; `Infinity`
   * for never.
   */
  readonly compressionThreshold?: number | undefined;
  /**
   * The most bytes that encoded arguments may have. Default 8,388,608 (8 MiB), less than 256 MiB. It holds
   * before compression; data that cannot be compressed may be larger on the wire by gzip's own overhead, which
   * is 0.04 % and 25 bytes.
   */
  readonly maxEncodedArgsSize?: number | undefined;
  /** The most bytes that an encoded result may have, likewise. Default 8,388,608 (8 MiB), less than 256 MiB. */
  readonly maxEncodedResultSize?: number | undefined;
}

/** What of the options of Node's own `Worker` a server's worker threads are made with. */
export type WorkerOptions = Pick<
  ThreadOptions,
  'argv' | 'env' | 'execArgv' | 'resourceLimits' | 'name'
>;

/** Options of a server. */
export interface ServerOptions extends MessageOptions, LimitOptions {
  /** The address to listen on. Default `'0.0.0.0'`: all of IPv4. */
  readonly host?: string | undefined;
  /** The port to listen on; 0 for a free one. Default 8080. */
  readonly port?: number | undefined;
  /**
   * Whether other processes of the same user may listen on the port too, if they set this option as well
   * (`SO_REUSEPORT`). Linux spreads connections over them, macOS gives all to one of them, and Windows has
   * no such option. Default: true in the workers of `node:cluster`, otherwise false.
   */
  readonly reusePort?: boolean | undefined;
  /**
   * How long receiving the body of a request may take, in milliseconds. Default 5000; `Infinity` for
   * no limit.
   */
  readonly recvTimeout?: number | undefined;
  /**
   * How long the TLS handshake may take, and again receiving the head of a request, in milliseconds.
   * Both count from the moment that the connection is there, so connections that a client opens ahead of
   * its calls must not be idle for longer: Erlang's callers need at least 3000. Default: as
   * `recvTimeout`.
   */
  readonly headersTimeout?: number | undefined;
  /**
   * How long receiving a request may take from its first byte to its last, in milliseconds. Default:
   * `headersTimeout` and `recvTimeout` together.
   */
  readonly requestTimeout?: number | undefined;
  /**
   * How long a connection may be idle between two requests before it is closed, in milliseconds.
   * Responses announce it in seconds (`keep-alive: timeout=65`). Default 65,000; `Infinity` for no limit.
   * It should be longer than callers and load balancers keep connections, so that they close them.
   */
  readonly keepAliveTimeout?: number | undefined;
  /**
   * How long a caller may take no byte of its answer before its connection is cut, in milliseconds.
   * Default 30,000; `Infinity` for no limit.
   */
  readonly sendTimeout?: number | undefined;
  /**
   * The most bytes that the head of a request may have: 1024 to 1,048,576. Default 16,384. Longer ones
   * are answered 431.
   */
  readonly maxHeaderSize?: number | undefined;
  /** How many headers a request may have: 16 to 1000. Default 100. More are answered 431. */
  readonly maxHeaders?: number | undefined;
  /** Whether callers see the stack of exceptions. Default true. */
  readonly returnExceptionStacktraces?: boolean | undefined;
  /** How hard to compress: 1 (fast, default) to 9 (small). */
  readonly gzipLevel?: number | undefined;
  /** How many connections may be open. Default 10,000; `Infinity` for no limit. */
  readonly maxConnections?: number | undefined;
  /**
   * How many calls may be under way at the same time; the next one is answered 503. A call whose caller
   * has gone away does not count any more, see {@link ServerStats.abandoned}. Default 4096; `Infinity`
   * for no limit.
   */
  readonly maxCallsInFlight?: number | undefined;
  /**
   * How long this thread and the I/O threads may wait awake for the next message while at most four
   * calls are in flight, in microseconds: 0 (never) to 1000. Waking a sleeping thread takes longer than
   * a small call. It is left off by itself when it does not pay, and ended by other work. The largest
   * value of a thread's servers and clients counts. Default 200.
   */
  readonly spin?: number | undefined;
  /**
   * How much memory calls may take, in bytes: arguments from when they are received until their function
   * has settled, and results until they are sent. A call for which there is no room waits, and is answered
   * 503 if there is none within `recvTimeout`. Messages of at most 16 KiB do not count. docs/server.md
   * says what counts how much. Default 268,435,456 (256 MiB), or a quarter of V8's heap limit if that is
   * less; `Infinity` for no limit.
   */
  readonly maxBytesInFlight?: number | undefined;
  /**
   * How many worker threads serve the modules: 1 to 1024. Only for modules that are given as a URL, of
   * which each thread imports its own instance. Default: as many as the process can run at the same
   * time (`os.availableParallelism()`).
   */
  readonly workers?: number | undefined;
  /**
   * Over how many I/O threads the connections are spread: 1 to 64. All servers and clients of the
   * process share these threads; sockets, cryptography and the encoding of terms are on them. Default:
   * the environment variable `BACKWATER_IO_THREADS`, or 1, which is enough for some 50,000 small calls
   * a second.
   */
  readonly ioThreads?: number | undefined;
  /** How the worker threads are made. */
  readonly workerOptions?: WorkerOptions | undefined;
  /**
   * Whether a request that comes a second time is refused: `'off'` (default), `'prefer'` for those that
   * say when they were made, `'require'` for all, and those that do not say are refused. See
   * docs/replay.md.
   */
  readonly replayProtection?: 'off' | 'prefer' | 'require' | undefined;
  /**
   * What this server is called, or all that it is called: requests for another audience are refused.
   * Takes effect with `replayProtection`; without it requests may be for anybody.
   */
  readonly audience?: string | readonly string[] | undefined;
  /**
   * How far the clocks of callers may be from this one, either way, in milliseconds: 1 to 86,400,000.
   * Default 60,000. Takes effect with `replayProtection`.
   */
  readonly maxClockDifference?: number | undefined;
  /**
   * How many requests are remembered at most, each for two to four times `maxClockDifference`; further
   * ones are refused with 503 while there are as many. Default 1,000,000, which take some 40 MB. Takes
   * effect with `replayProtection`.
   */
  readonly replayCapacity?: number | undefined;
  /**
   * A path such as `'/healthz'` at which the server tells everybody, without a signature, whether new
   * calls are welcome: GET and HEAD are answered with 200, and with 503 once the server is about to
   * close. Default: none.
   */
  readonly health?: string | undefined;
}

/** How a server is closed. */
export interface CloseOptions {
  /**
   * How long calls under way may take to end, in milliseconds, before they are cut. Default 5000. It
   * counts from the end of `drainDelay`.
   */
  readonly timeout?: number | undefined;
  /**
   * How long the server goes on to serve before it stops to accept, in milliseconds, while it says that it
   * is about to close: `health` answers 503, and each answer ends its connection. Default 0. Behind
   * something that asks for the server's health it should be as long as that takes to notice.
   */
  readonly drainDelay?: number | undefined;
}

/** Options of a single call; they go before those of the client. */
export interface CallOptions extends MessageOptions {
  /**
   * How long getting a connection may take, in milliseconds: waiting for a free one, looking the name
   * up, and the handshakes of TCP and TLS. Default 8000; `Infinity` for no limit.
   */
  readonly connectTimeout?: number | undefined;
  /**
   * How long it may take from when the request begins to be sent until the response is complete, in
   * milliseconds. Default 5000; `Infinity` for no limit.
   */
  readonly recvTimeout?: number | undefined;
  /**
   * How long the call as a whole may take, whatever it consists of, in milliseconds. Default
   * `Infinity`: `connectTimeout` and `recvTimeout` are its only limits. A call with this limit tells
   * the server how long it still waits, so that the server can stop work that nobody waits for.
   */
  readonly timeout?: number | undefined;
  /**
   * Whether calling the function twice does no harm. Then a call whose connection is lost, or that the
   * server answers with 503, is made again, on another server if there is one. Default false: only
   * what has certainly not begun goes elsewhere.
   */
  readonly idempotent?: boolean | undefined;
  /**
   * How often an idempotent call may be made again: 0 to 100. Default 2. All calls of a client
   * together are bounded as well: a tenth of them may be made again, and a few more every second.
   */
  readonly maxRetries?: number | undefined;
  /**
   * After how many milliseconds without an answer an idempotent call is made a second time, on another
   * server; the answer that comes first is taken, the other call is given up. Default `Infinity`:
   * never.
   */
  readonly hedgeDelay?: number | undefined;
  /**
   * Whether exceptions of the remote function are thrown as what they were there: JavaScript's
   * errors as errors of that name, thrown terms as themselves. Default false: as a
   * {@link RemoteException}.
   */
  readonly rethrowRemoteExceptions?: boolean | undefined;
  /**
   * Names and values that travel with the call, such as `{ tenant: 'acme' }`: what the function needs to
   * know about the call besides its arguments. They are signed; a function reads them in
   * {@link CallContext.metadata}. Those of a call are added to those of its client, and take precedence.
   *
   * Names are header tokens in lower case. All together have at most 64 entries, 2,048 bytes of names, and
   * 8,192 bytes of names and values, where all but visible ASCII counts three times.
   */
  readonly metadata?: MetadataInput | undefined;
  /**
   * Gives the call up in whichever phase it is: it rejects with the signal's reason, and its place in
   * the queue or its connection is let go at once, by which the server learns of it.
   */
  readonly signal?: AbortSignalLike | undefined;
}

/** Options of {@link encodeRequest}; they take precedence over those of its target. */
export interface EncodeRequestOptions extends CallOptions {
  /**
   * Which encoding the result may have: `'identity'` (default) or `'gzip'`. The signature covers the body as
   * it is sent, so only choose `'gzip'` for HTTP clients that hand compressed bodies over as they come, such
   * as `node:http`. `fetch` and most others decompress them.
   */
  readonly acceptEncoding?: 'identity' | 'gzip' | undefined;
}

/** Options of a client besides where to call. */
export interface ClientTuning extends Omit<CallOptions, 'signal'>, LimitOptions {
  /** How hard to compress: 1 (fast, default) to 9 (small). */
  readonly gzipLevel?: number | undefined;
  /** How many connections may be open: 1 to 65,535. Further calls wait for one. Default 64. */
  readonly maxConnections?: number | undefined;
  /**
   * How many connections to each server are made ahead of calls and kept however long they are idle:
   * 0 to `maxConnections`. Default 0.
   */
  readonly minConnections?: number | undefined;
  /**
   * How old a connection may become, in milliseconds: it is not used again after that time, or up to a
   * quarter earlier, so that those made at the same time do not end at the same time. Default
   * `Infinity`: as old as the server lets it become.
   */
  readonly maxConnectionAge?: number | undefined;
  /**
   * After how long without a sign of life from a server its connection is given up, in milliseconds
   * from 1000: the system probes idle connections, and waits no longer than this for what was sent to
   * be acknowledged. Default 30,000; `Infinity` for as long as the system takes, which is hours.
   */
  readonly deadPeerTimeout?: number | undefined;
  /**
   * How many calls may wait for a connection: the next one fails with a {@link QueueFullError}.
   * Default 65,536; 0 for no waiting, `Infinity` for no limit.
   */
  readonly maxQueuedCalls?: number | undefined;
  /**
   * How much memory the arguments of all calls that have not settled may take, in bytes: a further call
   * fails with a {@link QueueFullError}, unless it is the only one. As much again is for answers that are
   * being received and decoded: further ones wait on the wire. Answers of at most 16 KiB do not count.
   * Default 268,435,456 (256 MiB), or a quarter of V8's heap limit if that is less; `Infinity` for no
   * limit.
   */
  readonly maxBytesInFlight?: number | undefined;
  /**
   * The longest that an unused connection is kept, in milliseconds. A server that announces how long it
   * keeps connections (`keep-alive: timeout=N`) lowers this to one second less. Default: as long as the
   * server announces, or 4,000 if it announces nothing, because Erlang's server closes after 5 seconds.
   */
  readonly idleTimeout?: number | undefined;
  /**
   * How often names are resolved again and a function as `url` is asked again, in milliseconds;
   * `Infinity` for only when a server fails. Default: when the TTL of the DNS records is over, and
   * every 30 seconds where there is none.
   */
  readonly resolveInterval?: number | undefined;
  /**
   * The DNS servers to ask, such as `['10.0.0.53', '127.0.0.1:5353']`. Default: as the system is
   * configured. The hosts file goes before them either way.
   */
  readonly dnsServers?: readonly string[] | undefined;
  /**
   * Whether requests say when they were made, so that the server can refuse them when somebody sends
   * them again. Default false. See docs/replay.md.
   */
  readonly replayProtection?: boolean | undefined;
  /** What the server is called, so that another one can refuse the requests. Default: they do not say. */
  readonly audience?: string | undefined;
  /**
   * How long this thread and the I/O threads may wait awake for the next message while at most four
   * calls are in flight, in microseconds: 0 (never) to 1000. Waking a sleeping thread takes longer than
   * a small call. It is left off by itself when it does not pay, and ended by other work. The largest
   * value of a thread's servers and clients counts. Default 200.
   */
  readonly spin?: number | undefined;
}

/** Options of a client. */
export interface ClientOptions extends ClientTuning {
  /**
   * Where to call: a URL or its text, `'host'` (http on port 8080), or `'host:port'` (https on 443
   * and 8443, else http); a list of those; `'srv+http://name'` or `'srv+https://name'` for the servers
   * of the name's SRV records; or an asynchronous function that says where the servers are.
   *
   * Calls are spread over all servers, and over all addresses of their names.
   *
   * @example
   * ```ts
   * import { Client } from 'backwater';
   * const secret = 'at least 32 bytes of random data';
   * const some = new Client({ url: ['10.0.0.1:8080', '10.0.0.2:8080'], secret });
   * const named = new Client({ url: 'srv+http://_backwater._tcp.example.com', secret });
   * const asked = new Client({
   *   url: async ({ signal }) => {
   *     const response = await fetch('http://registry.example/servers', { signal });
   *     return (await response.json()) as { host: string; port: number; weight?: number }[];
   *   },
   *   secret,
   * });
   * ```
   */
  readonly url: ClientUrl;
  /** Whom to trust, and what to show, where the URL is https. Default: whom Node trusts. */
  readonly tls?: TlsClientOptions | undefined;
  /** The secret shared with the server, or several: the first signs, any is accepted. */
  readonly secret: Secret | readonly Secret[];
}

/** Bodies have to stay within what a tape can address with 28 bits. */
const MAX_SIZE = 2 ** 28 - 1;
const DEFAULT_SIZE = 8 * 1024 * 1024;
const size = integer(1, MAX_SIZE, 'bytes');
const bytesInFlight = integerOrInfinity(1, 2 ** 41, 'bytes');
const count = integerOrInfinity(1, 2 ** 31 - 1);

/** Has what every object has, which is more than usual if a program has changed Object.prototype. */
const anything: Record<string, unknown> = {};

const revivers = listOf<Reviver>(
  "a list of { struct: 'Date', revive } and { tag: 'user', length: 3, revive }",
  ({ struct, tag, length, revive }) =>
    typeof revive === 'function' &&
    (isAtomName(struct)
      ? tag === anything['tag'] && length === anything['length']
      : isAtomName(tag) && Number.isInteger(length) && (length as number) >= 1),
);

const encoders = listOf<Encoder>(
  'a list of { class: Date, toTerm }',
  ({ class: constructor, toTerm }) =>
    typeof constructor === 'function' && typeof toTerm === 'function',
);

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isAtomName(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    name !== '' &&
    name.isWellFormed() &&
    Array.from(name).length <= MAX_ATOM_LENGTH
  );
}

/** What binaries can become. */
export const binaries = oneOf('auto', 'buffer', 'string');

const reading = {
  terms: option(oneOf('js', 'exact'), 'js'),
  binaries: option(binaries, 'auto'),
  decodeUnsafeTerms: option(boolean, true),
  revivers: option(revivers, undefined),
} satisfies TableOf<ReadOptions>;

const writing = {
  objectKeys: option(oneOf('binary', 'atom'), 'binary'),
  encoders: option(encoders, undefined),
} satisfies TableOf<WriteOptions>;

const maxDepth = option(integer(1, MAX_DEPTH), DEFAULT_DEPTH);

const limits = {
  maxDepth,
  maxTerms: option(integer(1, 2 ** 28 - 1), 16_777_216),
} satisfies TableOf<LimitOptions>;

const messages = {
  ...reading,
  ...writing,
  markBytes: option(optional(boolean), undefined),
  compressionThreshold: option(integerOrInfinity(0, 2 ** 31 - 1, 'bytes'), 300),
  maxEncodedArgsSize: option(size, DEFAULT_SIZE),
  maxEncodedResultSize: option(size, DEFAULT_SIZE),
} satisfies TableOf<MessageOptions>;

const gzipLevel = option(integer(1, 9), 1);
const spin = integer(0, 1000, 'microseconds');

const decodeTable = {
  ...reading,
  ...limits,
  encoders: writing.encoders,
} satisfies TableOf<DecodeOptions>;

const encodeTable = {
  ...writing,
  revivers: reading.revivers,
  maxDepth,
  maxSize: option(size, MAX_SIZE),
  markBytes: option(boolean, false),
} satisfies TableOf<EncodeOptions>;

const toErlangTable = {
  ...writing,
  revivers: reading.revivers,
  charlists: option(boolean, true),
} satisfies TableOf<ToErlangOptions>;

const toElixirTable = {
  ...toErlangTable,
  structs: option(boolean, true),
} satisfies TableOf<ToElixirOptions>;

const serverTable = {
  ...messages,
  ...limits,
  host: option(hostName, '0.0.0.0'),
  port: option(integer(0, 65535), 8080),
  reusePort: option(optional(boolean), undefined),
  recvTimeout: option(timeout, 5000),
  headersTimeout: option(optional(timeout), undefined),
  requestTimeout: option(optional(timeout), undefined),
  keepAliveTimeout: option(timeout, 65_000),
  sendTimeout: option(timeout, 30_000),
  maxHeaderSize: option(integer(1024, 1_048_576, 'bytes'), 16_384),
  maxHeaders: option(integer(16, 1000), 100),
  returnExceptionStacktraces: option(boolean, true),
  gzipLevel,
  maxConnections: option(count, 10_000),
  maxCallsInFlight: option(count, 4096),
  spin: option(spin, 200),
  health: option(optional(healthPath), undefined),
  maxBytesInFlight: option(bytesInFlight, DEFAULT_BYTES_IN_FLIGHT),
  workers: option(integer(1, 1024), undefined),
  ioThreads: option(integer(1, MAX_IO_THREADS), undefined),
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
  replayProtection: option(oneOf('off', 'prefer', 'require'), 'off'),
  audience: option(audiences, undefined),
  maxClockDifference: option(integer(1, 86_400_000, 'milliseconds'), 60_000),
  replayCapacity: option(integer(1, 2 ** 31 - 1), 1_000_000),
} satisfies TableOf<ServerOptions>;

const callDefaults = {
  ...messages,
  connectTimeout: option(timeout, 8000),
  recvTimeout: option(timeout, 5000),
  timeout: option(timeout, Infinity),
  rethrowRemoteExceptions: option(boolean, false),
  idempotent: option(boolean, false),
  maxRetries: option(integer(0, 100), 2),
  hedgeDelay: option(integerOrInfinity(0, MAX_TIMEOUT, 'milliseconds'), Infinity),
  metadata: option(metadata, undefined),
};

const callTable = {
  ...callDefaults,
  signal: option(abortSignal, undefined),
} satisfies TableOf<CallOptions>;

const encodeRequestTable = {
  ...callTable,
  acceptEncoding: option(oneOf('identity', 'gzip'), 'identity'),
} satisfies TableOf<EncodeRequestOptions>;

const clientTable = {
  ...callDefaults,
  ...limits,
  gzipLevel,
  maxConnections: option(integer(1, 65535), 64),
  minConnections: option(integer(0, 65535), 0),
  maxConnectionAge: option(timeout, Infinity),
  deadPeerTimeout: option(integerOrInfinity(1000, MAX_TIMEOUT, 'milliseconds'), 30_000),
  maxQueuedCalls: option(integerOrInfinity(0, 2 ** 31 - 1), 65_536),
  maxBytesInFlight: option(bytesInFlight, DEFAULT_BYTES_IN_FLIGHT),
  idleTimeout: option(optional(timeout), undefined),
  resolveInterval: option(optional(timeout), undefined),
  dnsServers: option(optional(dnsServers), undefined),
  replayProtection: option(boolean, false),
  audience: option(audience, undefined),
  spin: option(spin, 200),
} satisfies TableOf<ClientTuning>;

const closeTable = {
  timeout: option(integer(0, MAX_TIMEOUT, 'milliseconds'), 5000),
  drainDelay: option(integer(0, MAX_TIMEOUT, 'milliseconds'), 0),
} satisfies TableOf<CloseOptions>;

/** How the addon is told to decode, and to make calls; the bits stand in crates/node/src/options.rs too. */
interface Flags {
  readonly flags: number;
}

const EXACT = 1;
const SAFE = 2;
const IDEMPOTENT = 16;
/** The bits of each choice of `binaries`. */
export const BINARIES = { auto: 0 << 2, buffer: 1 << 2, string: 2 << 2 } as const;

function flagsOf({
  terms,
  binaries,
  decodeUnsafeTerms,
  revivers: list,
}: Values<typeof reading>): number {
  // The names of revivers are known atoms from now on.
  reviversOf(list);
  return (terms === 'exact' ? EXACT : 0) | (decodeUnsafeTerms ? 0 : SAFE) | BINARIES[binaries];
}

function callFlagsOf(values: Values<typeof callDefaults>): number {
  return flagsOf(values) | (values.idempotent ? IDEMPOTENT : 0);
}

/** Options of {@link decode}, complete. */
export type DecodeSettings = Readonly<Values<typeof decodeTable>> &
  Flags & {
    readonly exact: boolean;
  };
/** Options of {@link encode}, complete. */
export type EncodeSettings = Readonly<Values<typeof encodeTable>>;
/** Options of a server, complete. */
export type ServerSettings = Readonly<Values<typeof serverTable>> & Flags;
/** Options of closing a server, complete. */
export type CloseSettings = Readonly<Values<typeof closeTable>>;
/** Options of a client, complete; they are those of a call without options of its own, too. */
export type ClientSettings = Readonly<Omit<Values<typeof clientTable>, 'metadata'>> &
  Flags &
  Carried & { readonly signal: undefined };
/** What a call carries besides its arguments. */
interface Carried {
  readonly metadata: Metadata | undefined;
  readonly trace?: TraceHeaders | undefined;
}
/** Options of a call with those of its client, complete. */
export type CallSettings = Omit<ClientSettings, 'signal'> & {
  readonly signal: AbortSignalLike | undefined;
};

const decodeDefaults = decodeSettings(fallbacks(decodeTable));
const encodeDefaults: EncodeSettings = Object.freeze(fallbacks(encodeTable));

/** @throws {@link OptionError} naming the option that is unknown or takes something else */
export function decodeOptions(input?: DecodeOptions | null): DecodeSettings {
  if (input === undefined) return decodeDefaults;
  return decodeSettings(readOptions(decodeTable, input, 'decode'));
}

function decodeSettings(values: Values<typeof decodeTable>): DecodeSettings {
  return Object.freeze({ ...values, exact: values.terms === 'exact', flags: flagsOf(values) });
}

/** @throws {@link OptionError} naming the option that is unknown or takes something else */
export function encodeOptions(input?: EncodeOptions | null): EncodeSettings {
  if (input === undefined) return encodeDefaults;
  return Object.freeze(readOptions(encodeTable, input, 'encode'));
}

/** @throws {@link OptionError} naming the option that is unknown or takes something else */
export function fromErlangOptions(input?: FromErlangOptions | null): DecodeSettings {
  return decodeSettings(readOptions(decodeTable, input, 'fromErlang'));
}

/** @throws {@link OptionError} naming the option that is unknown or takes something else */
export function toErlangOptions(input?: ToErlangOptions | null): Values<typeof toErlangTable> {
  return readOptions(toErlangTable, input, 'toErlang');
}

/** @throws {@link OptionError} naming the option that is unknown or takes something else */
export function toElixirOptions(input?: ToElixirOptions | null): Values<typeof toElixirTable> {
  return readOptions(toElixirTable, input, 'toElixir');
}

/** @throws {@link OptionError} naming the option that is unknown or takes something else */
export function serverOptions(input?: ServerOptions | null): ServerSettings {
  const values = readOptions(serverTable, input, 'the server');
  return Object.freeze({ ...values, flags: flagsOf(values) });
}

/** @throws {@link OptionError} naming the option that is unknown or takes something else */
export function closeOptions(input?: CloseOptions | null): CloseSettings {
  return readOptions(closeTable, input, 'close');
}

/**
 * @param subject whose options they are, to follow "option of"
 * @throws {@link OptionError} naming the option that is unknown or takes something else
 */
export function clientOptions(input?: ClientTuning | null, subject = 'the client'): ClientSettings {
  const values = readOptions(clientTable, input, subject);
  if (values.minConnections > values.maxConnections) {
    const { minConnections, maxConnections } = values;
    throw new OptionError(
      `option 'minConnections' takes at most 'maxConnections', ${maxConnections}, not ${minConnections}`,
      { option: 'minConnections' },
    );
  }
  const metadata = Metadata.of(values.metadata);
  return Object.freeze({ ...values, metadata, signal: undefined, flags: callFlagsOf(values) });
}

/**
 * The settings of one call.
 *
 * @param client those of its client, which hold where the call says nothing
 * @throws {@link OptionError} naming the option that is unknown or takes something else
 */
export function callOptions(
  input: CallOptions | null | undefined,
  client: ClientSettings,
): CallSettings {
  // Most calls have no options of their own.
  if (input === undefined || input === null) return client;
  const base = { ...client, metadata: undefined };
  const values = { ...client, ...readOptions(callTable, input, 'the call', base) };
  const metadata = Metadata.of(values.metadata, client.metadata);
  return Object.freeze({ ...values, metadata, flags: callFlagsOf(values) });
}

/** @throws {@link OptionError} naming the option that is unknown or takes something else */
export function encodeRequestOptions(
  target: ClientTuning,
  input?: EncodeRequestOptions | null,
): CallSettings & { readonly acceptEncoding: 'identity' | 'gzip' } {
  const client = clientOptions(target, 'encodeRequest');
  const base = { ...client, metadata: undefined, acceptEncoding: 'identity' as const };
  const values = readOptions(encodeRequestTable, input, 'encodeRequest', base);
  const metadata = Metadata.of(values.metadata, client.metadata);
  return Object.freeze({ ...client, ...values, metadata });
}

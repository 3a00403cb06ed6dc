/** The options of clients and of single calls. */
import { deadline, parent, type ParentCall, type TimeBound } from '../calls/deadline.js';
import { copied, interception } from '../calls/interceptor.js';
import { FLAG_IDEMPOTENT } from '../codec/control.js';
import { compression, limits, messages, readingFlags } from '../codec/options.js';
import { OptionError } from '../errors/errors.js';
import { option, type OptionsOf, readOptions, type Values } from '../options/table.js';
import {
  abortSignal,
  audience,
  boolean,
  bytesInFlight,
  dnsServers,
  integer,
  integerOrInfinity,
  MAX_TIMEOUT,
  metadata,
  optional,
  spinning,
  timeout,
} from '../options/types.js';
import { callerName } from '../options/callers.js';
import type { Secret } from '../options/secrets.js';
import { Metadata, type TraceHeaders } from '../options/metadata.js';
import type { TlsClientOptions } from '../options/tls.js';
import { DEFAULT_BYTES_IN_FLIGHT } from '../platform/heap.js';
import type { AbortSignalLike } from '../platform/realms.js';
import type { ClientUrl } from '../resolve/targets.js';

/** What a call takes and its client sets the default for. */
const callDefaults = {
  ...messages,
  /**
   * How long getting a connection may take, in milliseconds: waiting for a free one, resolving the name,
   * and the TCP and TLS handshakes. `Infinity` for no limit.
   */
  connectTimeout: option(timeout, 8000),
  /**
   * How long an attempt may take from the first byte sent to the last byte received, in milliseconds;
   * `Infinity` for no limit.
   */
  recvTimeout: option(timeout, 5000),
  /**
   * How long the whole call may take, all attempts included, in milliseconds; `Infinity` for no limit.
   *
   * The server receives this deadline, so it can stop work that no caller waits for.
   */
  timeout: option(timeout, Infinity),
  /**
   * Whether repeating the call is harmless. If so, it is retried, on another server if there is one, when
   * the connection is lost or the server answers 503.
   *
   * Other calls are retried only if the server has certainly not started them.
   */
  idempotent: option(boolean, false),
  /**
   * How often an idempotent call may be retried.
   *
   * A budget bounds the retries of all calls of a client together: a tenth of its calls, and a few more
   * every second.
   */
  maxRetries: option(integer(0, 100), 2),
  /**
   * How long to wait for an answer before sending an idempotent call to a second server as well, in
   * milliseconds; `Infinity` for never. The first answer wins, and the other call is cancelled.
   */
  hedgeDelay: option(integerOrInfinity(0, MAX_TIMEOUT, 'milliseconds'), Infinity),
  /**
   * Whether to throw remote exceptions as what they were remotely: JavaScript errors as errors with that
   * name, thrown terms as themselves. Otherwise they are wrapped in a {@link RemoteException}.
   */
  rethrowRemoteExceptions: option(boolean, false),
  /**
   * Signed names and values that travel with the call, such as `{ tenant: 'acme' }`. The function reads them
   * in {@link CallContext.metadata}. Those of a call are added to those of its client and take precedence.
   *
   * Names are header tokens in lower case. All together have at most 64 entries, 2,048 bytes of names, and
   * 8,192 bytes of names and values, where each byte of UTF-8 that is not visible ASCII counts as three.
   */
  metadata: option(metadata, undefined),
};

export const callTable = {
  ...callDefaults,
  /**
   * Cancels the call in whatever phase it is; it rejects with the signal's reason.
   *
   * Its connection or its place in the queue is released at once, which tells the server too.
   */
  signal: option(abortSignal, undefined),
  /**
   * When the call must have ended, as a Date or in milliseconds since 1970.
   *
   * `timeout` applies as well. Both are sent to the server.
   */
  deadline: option(deadline, undefined),
  /**
   * The call that this one is made for: the {@link CallContext} of the function that makes it.
   *
   * This call is cancelled with its parent, ends by the parent's deadline, and carries its trace headers.
   */
  parent: option(parent, undefined),
};

export const clientTable = {
  ...callDefaults,
  ...limits,
  ...compression,
  /** How many connections may be open. Further calls wait for one. */
  maxConnections: option(integer(1, 65535), 64),
  /**
   * How many streams from each server may be open, each on a connection that does not count among
   * `maxConnections`. Further ones wait.
   */
  maxStreams: option(integer(1, 65535), 64),
  /**
   * How long a stream may wait for its next items or a ping, in milliseconds; `Infinity` for no limit. It
   * counts while the consumer waits.
   */
  streamIdleTimeout: option(timeout, 30_000),
  /** How many connections to each server to open in advance and keep open while idle: up to `maxConnections`. */
  minConnections: option(integer(0, 65535), 0),
  /**
   * How long a connection may be used, in milliseconds; `Infinity` for as long as the server keeps it open.
   *
   * Each connection ends up to a quarter earlier, so that they do not all end at the same time.
   */
  maxConnectionAge: option(timeout, Infinity),
  /**
   * How long a server may show no sign of life before its connection is closed, in milliseconds;
   * `Infinity` for as long as the system takes, which is hours.
   *
   * The system probes idle connections, and waits this long for an acknowledgement of sent data.
   */
  deadPeerTimeout: option(integerOrInfinity(1000, MAX_TIMEOUT, 'milliseconds'), 30_000),
  /**
   * How many calls may wait for a connection; the next one fails with a {@link QueueFullError}. 0 for no
   * waiting, `Infinity` for no limit.
   */
  maxQueuedCalls: option(integerOrInfinity(0, 2 ** 31 - 1), 65_536),
  /**
   * How much memory the arguments of all unsettled calls may take, in bytes; the next call fails with a
   * {@link QueueFullError}, unless it is the only one. `Infinity` for no limit.
   *
   * Answers that are being received and decoded may take as much again; further ones wait on the wire.
   * Answers of at most 16 KiB do not count.
   *
   * @defaultValue 268,435,456 (256 MiB), or a quarter of V8's heap limit if that is less
   */
  maxBytesInFlight: option(bytesInFlight, DEFAULT_BYTES_IN_FLIGHT),
  /**
   * How long an unused connection is kept, in milliseconds, unless the server announces less.
   *
   * A server that announces how long it keeps connections (`keep-alive: timeout=N`) lowers this to one
   * second less than that.
   *
   * @defaultValue what the server announces, or 4,000 because Erlang's server closes after 5 seconds
   */
  idleTimeout: option(optional(timeout), undefined),
  /**
   * How often names are resolved, and a function as `url` is called, in milliseconds; `Infinity` for only
   * when a server fails.
   *
   * @defaultValue the TTL of the DNS records, or 30,000 where there is none
   */
  resolveInterval: option(optional(timeout), undefined),
  /**
   * The DNS servers to ask. The hosts file takes precedence over them.
   *
   * @defaultValue the system's
   */
  dnsServers: option(optional(dnsServers), undefined),
  /** Whether requests carry the time they were made, so that the server can refuse replays. See docs/replay.md. */
  replayProtection: option(boolean, false),
  /** The name of the server that requests are meant for; servers with another name refuse them. */
  audience: option(audience, undefined),
  /**
   * The name that the server knows this client's secret by, so that it does not have to try others: 1 to 64
   * visible ASCII characters.
   *
   * It is signed and proves nothing: the secret decides who calls. Servers without named callers ignore it.
   */
  caller: option(callerName, undefined),
  ...spinning,
  ...interception,
};

/** Options of a single call. They take precedence over those of the client. */
export interface CallOptions extends OptionsOf<typeof callTable> {}

/** Options of a client, apart from where to call. */
export interface ClientTuning extends OptionsOf<typeof clientTable> {}

/** Options of a client. */
export interface ClientOptions extends ClientTuning {
  /**
   * Where to call: a URL or its text, `'host'` (http on port 8080), or `'host:port'` (https on 443
   * and 8443, else http); a list of those; `'srv+http://name'` or `'srv+https://name'` for the servers
   * of the name's SRV records; or an asynchronous function that returns the servers.
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
  /**
   * Which certificates to trust and which one to present, for `https` URLs.
   *
   * @defaultValue trusts the certificates that Node trusts
   */
  readonly tls?: TlsClientOptions | undefined;
  /** The secret shared with the server. In a list, the first one signs and all of them are accepted. */
  readonly secret: Secret | readonly Secret[];
}

/**
 * What only calls have. Properties of their own, since programs may have added some of these names to
 * Object.prototype.
 */
const ofCalls = {
  signal: undefined,
  deadline: undefined,
  parent: undefined,
  trace: undefined,
  requestId: undefined,
  bound: undefined,
};

/** The complete options of a client, which are those of a call without options of its own. */
export interface ClientSettings extends Readonly<Omit<Values<typeof clientTable>, 'metadata'>> {
  readonly signal: undefined;
  readonly deadline: undefined;
  readonly parent: undefined;
  readonly metadata: Metadata | undefined;
  readonly trace?: TraceHeaders | undefined;
  /** The identifier of the first request that the call sends; undefined if the addon makes it. */
  readonly requestId?: string | undefined;
  /** For the addon: how to decode and to call. */
  readonly flags: number;
}

/** The complete options of a call. */
export interface CallSettings extends Omit<ClientSettings, 'signal' | 'deadline' | 'parent'> {
  readonly signal: AbortSignalLike | undefined;
  readonly deadline: Date | number | undefined;
  readonly parent: ParentCall | undefined;
  /** What `timeout` follows from, if that is not the option of this name. */
  readonly bound?: TimeBound | undefined;
}

function flagsOf(values: Values<typeof callDefaults>): number {
  return readingFlags(values) | (values.idempotent ? FLAG_IDEMPOTENT : 0);
}

/**
 * @param subject whose options they are, to follow "option of"
 * @throws {@link OptionError} naming the option that is unknown or has a wrong value
 */
export function clientOptions(input?: ClientTuning | null, subject = 'the client'): ClientSettings {
  const values = readOptions(clientTable, input, subject);
  const { minConnections, maxConnections } = values;
  if (minConnections > maxConnections) {
    throw new OptionError(
      `option 'minConnections' takes at most 'maxConnections', ${maxConnections}, not ${minConnections}`,
      { option: 'minConnections' },
    );
  }
  const metadata = Metadata.of(values.metadata);
  const interceptors = copied(values.interceptors);
  const flags = flagsOf(values);
  return Object.freeze({ ...values, metadata, interceptors, ...ofCalls, flags });
}

/**
 * The settings of one call.
 *
 * @param client the settings of its client, which are the defaults
 * @throws {@link OptionError} naming the option that is unknown or has a wrong value
 */
export function callOptions(
  input: CallOptions | null | undefined,
  client: CallSettings,
): CallSettings {
  // Most calls have no options of their own.
  if (input === undefined || input === null) return client;
  const base = { ...client, metadata: undefined };
  const values = { ...client, ...readOptions(callTable, input, 'the call', base) };
  const metadata = Metadata.of(values.metadata, client.metadata);
  return Object.freeze({ ...values, metadata, flags: flagsOf(values) });
}

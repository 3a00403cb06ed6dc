import { deadline, parent, type ParentCall, type TimeBound } from '../calls/deadline.js';
import { copied, interception } from '../calls/interceptor.js';
import { FLAG_IDEMPOTENT, FLAG_STREAM } from '../codec/control.js';
import { compression, limits, messages, readingFlags } from '../codec/options.js';
import {
  option,
  type OptionsOf,
  readOptions,
  refuseOption,
  type Values,
} from '../options/table.js';
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

const callDefaults = {
  ...messages,
  /** The limit for getting a connection, in milliseconds, from the queue to the end of the TLS handshake. */
  connectTimeout: option(timeout, 8000),
  /** The limit for one attempt, in milliseconds, from the first byte sent to the last byte received. */
  recvTimeout: option(timeout, 5000),
  /**
   * The limit for the whole call with all attempts, in milliseconds.
   *
   * The server gets it as a deadline.
   */
  timeout: option(timeout, Infinity),
  /**
   * Whether repeating the call is harmless. If so, it is retried after a lost connection or a 503, on
   * another server if there is one.
   *
   * Other calls are retried only if no server has started them.
   */
  idempotent: option(boolean, false),
  /**
   * How often an idempotent call may be retried.
   *
   * A client may retry a tenth of its calls, and a few more every second.
   */
  maxRetries: option(integer(0, 100), 2),
  /**
   * When to send an idempotent call to a second server as well, in milliseconds. The first answer wins.
   */
  hedgeDelay: option(integerOrInfinity(0, MAX_TIMEOUT, 'milliseconds'), Infinity),
  /** Whether to throw what the function threw, an error or a term, instead of a {@link RemoteException}. */
  rethrowRemoteExceptions: option(boolean, false),
  /**
   * Signed names and values for {@link CallContext.metadata}. Entries of a call override the client's.
   *
   * Names are header tokens in lower case. docs/metadata.md lists the limits.
   */
  metadata: option(metadata, undefined),
};

export const callTable = {
  ...callDefaults,
  /** Cancels the call in any phase. The call rejects with the signal's reason. */
  signal: option(abortSignal, undefined),
  /** When the call must end. `timeout` applies as well. */
  deadline: option(deadline, undefined),
  /** The {@link CallContext} whose cancellation, deadline and trace headers this call shares. */
  parent: option(parent, undefined),
};

export const streamTable = {
  ...callTable,
  /**
   * How long a waiting consumer may get neither an item nor a ping, in milliseconds.
   *
   * @defaultValue the client's `streamIdleTimeout`
   */
  idleTimeout: option(optional(timeout), undefined),
};

export const clientTable = {
  ...callDefaults,
  ...limits,
  ...compression,
  /** How many connections to each server may be open. Calls beyond that wait. */
  maxConnections: option(integer(1, 65535), 64),
  /**
   * How many streams from each server may be open, in addition to `maxConnections`. Streams beyond that wait.
   */
  maxStreams: option(integer(1, 65535), 64),
  /** How long a waiting consumer may get neither an item nor a ping, in milliseconds. */
  streamIdleTimeout: option(timeout, 30_000),
  /** How many connections to each server to open in advance and keep open. */
  minConnections: option(integer(0, 65535), 0),
  /**
   * How long a connection may be used, in milliseconds.
   *
   * Each connection closes up to a quarter earlier, so that they do not all close at the same time.
   */
  maxConnectionAge: option(timeout, Infinity),
  /**
   * How long a server may leave data or probes unacknowledged before its connection is closed, in
   * milliseconds. With `Infinity`, the system decides, which takes hours.
   */
  deadPeerTimeout: option(integerOrInfinity(1000, MAX_TIMEOUT, 'milliseconds'), 30_000),
  /** How many calls may wait for a connection. Calls beyond that fail with a {@link QueueFullError}. */
  maxQueuedCalls: option(integerOrInfinity(0, 2 ** 31 - 1), 65_536),
  /**
   * How many bytes the arguments of unsettled calls may take. A call that does not fit fails with a {@link
   * QueueFullError}, unless it is the only one.
   *
   * Answers over 16 KiB may take as much again. More answers are not read until there is room.
   *
   * @defaultValue 256 MiB, or a quarter of V8's heap limit if that is less
   */
  maxBytesInFlight: option(bytesInFlight, DEFAULT_BYTES_IN_FLIGHT),
  /**
   * How long an unused connection is kept, in milliseconds. A server's `keep-alive: timeout=N` lowers it.
   *
   * @defaultValue one second less than the server announces, or 4,000
   */
  idleTimeout: option(optional(timeout), undefined),
  /**
   * How often to resolve names and call a function given as `url`, in milliseconds. `Infinity` does so only
   * when a server fails.
   *
   * @defaultValue the TTL of the DNS records, or 30,000
   */
  resolveInterval: option(optional(timeout), undefined),
  /**
   * The DNS servers to ask. The hosts file takes precedence.
   *
   * @defaultValue the system's
   */
  dnsServers: option(optional(dnsServers), undefined),
  /** Whether to sign the time of each request, so that servers can refuse replays. See docs/replay.md. */
  replayProtection: option(boolean, false),
  /** The server that requests are meant for. Other servers refuse them. */
  audience: option(audience, undefined),
  /** The name that the server knows this client's secret by. Servers without named callers ignore it. */
  caller: option(callerName, undefined),
  ...spinning,
  ...interception,
};

/** Options of a single call. They override the client's. */
export interface CallOptions extends OptionsOf<typeof callTable> {}

/** Options of a single stream. They override the client's. */
export interface StreamOptions extends OptionsOf<typeof streamTable> {}

/** Options of a client, except `url`, `tls` and `secret`. */
export interface ClientTuning extends OptionsOf<typeof clientTable> {}

/** Options of a client. */
export interface ClientOptions extends ClientTuning {
  /**
   * The servers to call: a URL, `'host'` (http on port 8080), `'host:port'` (https on 443 and 8443, otherwise
   * http), a list of these, `'srv+http://name'` or `'srv+https://name'` for SRV records, or an asynchronous
   * function that returns servers.
   *
   * Calls are spread over all servers, and over all addresses of their names. docs/endpoints.md has examples.
   */
  readonly url: ClientUrl;
  /**
   * Certificates to trust and to present, for `https` URLs.
   *
   * @defaultValue the roots that Node trusts
   */
  readonly tls?: TlsClientOptions | undefined;
  /** The secret shared with the server. In a list, the first one signs and all are accepted. */
  readonly secret: Secret | readonly Secret[];
}

/** Undefined even if a program adds such names to Object.prototype. */
const ofCalls = {
  signal: undefined,
  deadline: undefined,
  parent: undefined,
  trace: undefined,
  requestId: undefined,
  bound: undefined,
};

export interface ClientSettings extends Readonly<Omit<Values<typeof clientTable>, 'metadata'>> {
  readonly signal: undefined;
  readonly deadline: undefined;
  readonly parent: undefined;
  readonly metadata: Metadata | undefined;
  readonly trace?: TraceHeaders | undefined;
  /** Undefined if the addon generates it. */
  readonly requestId?: string | undefined;
  readonly flags: number;
}

export interface CallSettings extends Omit<ClientSettings, 'signal' | 'deadline' | 'parent'> {
  readonly signal: AbortSignalLike | undefined;
  readonly deadline: Date | number | undefined;
  readonly parent: ParentCall | undefined;
  /** The deadline or parent that sets `timeout`. */
  readonly bound?: TimeBound | undefined;
}

function flagsOf(values: Values<typeof callDefaults>): number {
  return readingFlags(values) | (values.idempotent ? FLAG_IDEMPOTENT : 0);
}

export function clientOptions(input?: ClientTuning | null, subject = 'the client'): ClientSettings {
  const values = readOptions(clientTable, input, subject);
  const { minConnections, maxConnections } = values;
  if (minConnections > maxConnections) {
    throw refuseOption(
      'minConnections',
      `takes at most 'maxConnections', ${maxConnections}, not ${minConnections}`,
    );
  }
  const metadata = Metadata.of(values.metadata);
  const interceptors = copied(values.interceptors);
  const flags = flagsOf(values);
  return Object.freeze({ ...values, metadata, interceptors, ...ofCalls, flags });
}

export function callOptions(
  input: CallOptions | null | undefined,
  client: CallSettings,
): CallSettings {
  if (input === undefined || input === null) return client;
  const base: GivenSettings = { ...client, metadata: undefined };
  return settingsOf(readOptions(callTable, input, 'the call', base), client);
}

export function streamOptions(
  input: StreamOptions | null | undefined,
  client: CallSettings,
): CallSettings {
  const base = { ...client, metadata: undefined, idleTimeout: client.streamIdleTimeout };
  const values: GivenSettings = readOptions(streamTable, input, 'the stream', base);
  const streamIdleTimeout = values.idleTimeout ?? client.streamIdleTimeout;
  return settingsOf({ ...values, streamIdleTimeout }, client, FLAG_STREAM);
}

/** Before its metadata is merged with the client's. */
type GivenSettings = Omit<CallSettings, 'metadata'> & Pick<Values<typeof callTable>, 'metadata'>;

function settingsOf(values: GivenSettings, client: CallSettings, flags = 0): CallSettings {
  const metadata = Metadata.of(values.metadata, client.metadata);
  return Object.freeze({ ...values, metadata, flags: flagsOf(values) | flags });
}

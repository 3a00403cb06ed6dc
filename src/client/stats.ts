import { environment } from '../platform/environment.js';
import type { ClientFigures } from '../platform/native.js';
import { dateNow } from '../platform/host.js';
import type { ResolverStats } from '../resolve/resolver.js';

/** Figures of one server that a client calls. */
export interface EndpointStats {
  /** Its name and port, as the `host` header has them. */
  readonly host: string;
  /** The address and port that connections go to. */
  readonly address: string;
  /**
   * `up`: calls go there. `ejected`: it has failed, and calls go there only if no other server is left.
   * `probing`: the ejection is over, and a connection, then a single call, tests the server.
   */
  readonly state: 'up' | 'ejected' | 'probing';
  /** When the ejection of a server ends. */
  readonly ejectedUntil: Date | undefined;
  /** Calls under way there, including calls that wait for a connection. */
  readonly pending: number;
  /** Open connections, idle ones included. */
  readonly connections: number;
  /** Connections that no call uses. */
  readonly idle: number;
  /** Calls that wait for a connection. */
  readonly queued: number;
  /** How often a call went there. */
  readonly calls: number;
  /** How often it could not be reached, or lost a connection with a call on it. */
  readonly failures: number;
}

/** Figures of a client. */
export interface ClientStats {
  /** Calls that have not settled yet. */
  readonly pending: number;
  /** Calls started since the client was made. */
  readonly calls: number;
  /**
   * How many calls were rejected since the client was made, by the `code` of their error, such as
   * `{ ERR_BACKWATER_TIMEOUT: 2 }`; `ABORT_ERR` for cancelled calls.
   */
  readonly failures: Readonly<Record<string, number>>;
  /** Open connections, idle ones included. */
  readonly connections: number;
  /** Connections that no call uses. */
  readonly idle: number;
  /** Calls and streams that wait for a connection. */
  readonly queued: number;
  /** Streams that have a connection or are opening one. */
  readonly streams: number;
  /** How often making a connection has failed or timed out. */
  readonly connectFailures: number;
  /** The servers that the client knows; none until names are resolved, and after it is closed. */
  readonly endpoints: readonly EndpointStats[];
  /** Idempotent calls that were made again since the function may have been called. */
  readonly retries: number;
  /** Calls that went to another server since the first one had certainly not begun with them. */
  readonly failovers: number;
  /** Second attempts that were made since the first one took long. */
  readonly hedges: number;
  /** Hedges that were answered first. */
  readonly hedgesWon: number;
  /** How many retries and hedges are allowed at the moment. */
  readonly retryBudget: number;
  /** How often names were resolved, or the function asked that is the `url`. */
  readonly resolutions: number;
  /** Why the last resolution failed, wholly or in part; undefined when it did not. */
  readonly lastResolutionError: Error | undefined;
}

const NONE: ClientFigures = {
  connections: 0,
  idle: 0,
  queued: 0,
  streams: 0,
  connectFailures: 0,
  endpoints: [],
  retries: 0,
  failovers: 0,
  hedges: 0,
  hedgesWon: 0,
  retryBudget: 0,
};

type Stats = Omit<ClientStats, 'pending' | 'calls' | 'failures'>;

/** The figures of an open client and its resolver. */
export function statsOf(client: number, resolver: ResolverStats | undefined): Stats {
  return withResolver(environment.clientStats(client), resolver);
}

/** Removes a closed client from the addon and returns its last figures. */
export function lastStatsOf(client: number, resolver: ResolverStats | undefined): Stats {
  const last = withResolver(environment.removeClient(client), resolver);
  return { ...last, endpoints: [], connections: 0, idle: 0, queued: 0, streams: 0 };
}

function withResolver(figures: ClientFigures | null, resolver: ResolverStats | undefined): Stats {
  const { endpoints, ...rest } = figures ?? NONE;
  return {
    ...rest,
    endpoints: endpoints.map(({ ejectedFor, ...endpoint }) => ({
      ...endpoint,
      ejectedUntil: ejectedFor === null ? undefined : new Date(dateNow() + ejectedFor),
    })),
    resolutions: resolver?.resolutions ?? 0,
    lastResolutionError: resolver?.lastError,
  };
}

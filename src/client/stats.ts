import { environment } from '../platform/environment.js';
import type { ClientFigures } from '../platform/native.js';
import { dateNow } from '../platform/host.js';
import type { ResolverStats } from '../resolve/resolver.js';

/** Statistics of one server of a client. */
export interface EndpointStats {
  /** The name and port, as in the `host` header. */
  readonly host: string;
  /** The address and port that connections go to. */
  readonly address: string;
  /**
   * `up`: takes calls. `ejected`: has failed, and takes calls only if no other server is available.
   * `probing`: after an ejection, a connection and then a single call test the server.
   */
  readonly state: 'up' | 'ejected' | 'probing';
  /** When an ejection ends. */
  readonly ejectedUntil: Date | undefined;
  /** Unsettled calls. */
  readonly pending: number;
  /** Open connections. */
  readonly connections: number;
  /** Open connections without a call. */
  readonly idle: number;
  /** Calls that wait for a connection. */
  readonly queued: number;
  /** Calls so far. */
  readonly calls: number;
  /** How often it could not be reached, or a connection with a call broke. */
  readonly failures: number;
}

/** Statistics of a client. */
export interface ClientStats {
  /** Unsettled calls. */
  readonly pending: number;
  /** Calls so far. */
  readonly calls: number;
  /** Rejected calls so far, by the `code` of their error; `ABORT_ERR` for cancelled calls. */
  readonly failures: Readonly<Record<string, number>>;
  /** Open connections. */
  readonly connections: number;
  /** Open connections without a call. */
  readonly idle: number;
  /** Calls and streams that wait for a connection. */
  readonly queued: number;
  /** Streams that are open or connecting. */
  readonly streams: number;
  /** Connection attempts that have failed. */
  readonly connectFailures: number;
  /** The known servers; empty until names are resolved, and after closing. */
  readonly endpoints: readonly EndpointStats[];
  /** Calls that were repeated although the function may have been called. */
  readonly retries: number;
  /** Calls that went to another server because the first had not started them. */
  readonly failovers: number;
  /** Second attempts at calls whose first attempt was slow. */
  readonly hedges: number;
  /** Hedges that were answered first. */
  readonly hedgesWon: number;
  /** Retries and hedges that are allowed now. */
  readonly retryBudget: number;
  /** How often names were resolved, or the function given as `url` was called. */
  readonly resolutions: number;
  /** Why the last resolution failed, completely or partly. */
  readonly lastResolutionError: Error | undefined;
}

type Stats = Omit<ClientStats, 'pending' | 'calls' | 'failures'>;

export function statsOf(client: number, resolver: ResolverStats | undefined): Stats {
  return withResolver(environment.clientStats(client)!, resolver);
}

/** Also removes the client from the addon. */
export function lastStatsOf(client: number, resolver: ResolverStats | undefined): Stats {
  const last = withResolver(environment.removeClient(client)!, resolver);
  return { ...last, endpoints: [], connections: 0, idle: 0, queued: 0, streams: 0 };
}

function withResolver(figures: ClientFigures, resolver: ResolverStats | undefined): Stats {
  const { endpoints, ...rest } = figures;
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

import { addressText } from '../platform/inspect.js';
import { isIP } from 'node:net';
import { bridge, type Timer } from '../bridge/bridge.js';
import type { NativeEndpoint, ResolveFailure } from '../platform/native.js';
import type { Endpoint } from '../options/endpoint.js';
import { BackwaterError } from '../errors/errors.js';
import { AbortController, contextOfCaller, now, runApart } from '../platform/host.js';
import { toJson } from '../platform/json.js';
import { messageOf } from '../platform/realms.js';
import { Names, type ServiceRecord } from './names.js';
import {
  endpointAt,
  nameOf,
  parseResolved,
  WEIGHT_UNIT,
  type Source,
  type Target,
} from './targets.js';

export interface ResolveListener {
  found(endpoints: readonly NativeEndpoint[]): void;
  failed(failure: ResolveFailure): void;
  /** The last resolution is still fresh. */
  unchanged(): void;
}

export interface ResolverSettings {
  /** In milliseconds; by default the TTL. */
  readonly interval?: number | undefined;
  readonly dnsServers?: readonly string[] | undefined;
  /** How long to go on without calls, in milliseconds. */
  readonly restAfter?: number | undefined;
}

export interface ResolverStats {
  readonly resolutions: number;
  readonly lastError: Error | undefined;
}

/** In milliseconds, for answers without a TTL. */
const DEFAULT_INTERVAL = 30_000;
/** The shortest time between resolutions, in milliseconds. */
const FRESH = 1000;
/** How long a resolution may take, in milliseconds. */
const LIMIT = 30_000;
const REST_AFTER = 60_000;

interface Resolved {
  readonly endpoints: readonly NativeEndpoint[];
  readonly ttl?: number | undefined;
}

/**
 * Keeps the endpoints of a client up to date from its first call on, by TTL or interval and when a server
 * fails. It pauses while the client makes no calls, and its timers do not keep the process alive.
 */
export class Resolver {
  readonly #source: Source;
  readonly #settings: ResolverSettings;
  readonly #listener: ResolveListener;
  readonly #names: Names;
  /** Kept while later resolutions fail. */
  #answers = new Map<string, Resolved>();
  /** So that resolving does not run in the context of a call. */
  readonly #scope = contextOfCaller('BackwaterResolver');
  #timer: Timer | undefined;
  /** Of the resolution under way. */
  #running: AbortController | undefined;
  #closed = false;
  #resting = false;
  #touched = 0;
  #succeeded = -Infinity;
  #failures = 0;
  #resolutions = 0;
  #lastError: Error | undefined;

  constructor(source: Source, settings: ResolverSettings, listener: ResolveListener) {
    this.#source = source;
    this.#settings = settings;
    this.#listener = listener;
    this.#names = new Names(settings.dnsServers);
  }

  /** Does nothing if a resolution is under way or fresh. */
  refresh(): void {
    if (this.#running !== undefined || this.#closed) return;
    const freshness = Math.min(FRESH, this.#settings.interval ?? FRESH);
    if (now() - this.#succeeded < freshness) this.#listener.unchanged();
    else this.#run();
  }

  touch(): void {
    this.#touched = now();
    if (this.#resting) {
      this.#resting = false;
      this.#run();
    }
  }

  stats(): ResolverStats {
    return { resolutions: this.#resolutions, lastError: this.#lastError };
  }

  close(): void {
    this.#timer?.stop();
    this.#closed = true;
    this.#running?.abort();
    this.#names.close();
    this.#scope.emitDestroy();
  }

  #run(): void {
    if (this.#running !== undefined || this.#closed) return;
    const run = new AbortController();
    this.#running = run;
    // The listener throws only after the I/O thread has ended, when no call needs an endpoint.
    runApart(this.#scope, 'BackwaterResolution', () => this.#resolveAll(run)).catch(() => {});
  }

  async #resolveAll(run: AbortController): Promise<void> {
    this.#timer?.stop();
    const { signal } = run;
    const giveUp = (): void => run.abort(tooLate());
    const giveUpApart = (): void => runApart(this.#scope, 'BackwaterResolution', giveUp);
    const timer = bridge.startTimer(giveUpApart, LIMIT);
    try {
      const resolved = await unlessAborted(this.#resolve(signal), signal);
      if (!this.#closed) this.#succeed(resolved);
    } catch (error) {
      if (!this.#closed) this.#fail(error);
    } finally {
      timer.stop();
      this.#running = undefined;
    }
  }

  #succeed({ endpoints, ttl }: Resolved): void {
    this.#resolutions++;
    this.#succeeded = now();
    this.#failures = 0;
    this.#schedule(this.#settings.interval ?? Math.max(FRESH, ttl ?? DEFAULT_INTERVAL));
    this.#listener.found(endpoints);
  }

  #fail(error: unknown): void {
    const first = this.#answers.size === 0 && this.#succeeded === -Infinity;
    this.#resolutions++;
    this.#lastError = BackwaterError.from(error);
    // Before the first success, calls trigger resolutions.
    if (!first) this.#schedule(Math.min(FRESH * 2 ** this.#failures++, DEFAULT_INTERVAL));
    this.#listener.failed(failureOf(error, this.#source));
  }

  #schedule(milliseconds: number): void {
    if (milliseconds === Infinity) return;
    const next = (): void => {
      const limit = this.#settings.restAfter ?? REST_AFTER;
      this.#resting = now() - this.#touched > limit;
      if (!this.#resting) this.#run();
    };
    this.#timer = bridge.startTimer(next, milliseconds);
  }

  async #resolve(signal: AbortSignal): Promise<Resolved> {
    const targets =
      typeof this.#source === 'function'
        ? parseResolved(await this.#source({ signal }))
        : this.#source;
    const answers = new Map<string, Resolved>();
    const errors: unknown[] = [];
    const each = targets.map(async (target): Promise<Resolved> => {
      const key = toJson(target);
      try {
        const answer = await this.#resolveTarget(target);
        answers.set(key, answer);
        return answer;
      } catch (error) {
        const named = new ResolveError(target, error);
        errors.push(named);
        const known = this.#answers.get(key);
        if (known === undefined) return { endpoints: [] };
        answers.set(key, known);
        return { endpoints: known.endpoints, ttl: FRESH };
      }
    });
    const resolved = await Promise.all(each);
    const endpoints = resolved.flatMap((answer) => answer.endpoints);
    if (errors.length === targets.length || endpoints.length === 0) {
      throw errors[0] ?? new ResolveError(undefined, 'no servers');
    }
    this.#answers = answers;
    this.#lastError = errors.length === 0 ? undefined : BackwaterError.from(errors[0]);
    const ttl = shortest(resolved);
    // The TTL of a function's answer is at most the default.
    const limit = typeof this.#source === 'function' ? DEFAULT_INTERVAL : Infinity;
    return { endpoints, ttl: Math.min(ttl, limit) };
  }

  async #resolveTarget(target: Target): Promise<Resolved> {
    if (target.kind === 'srv') return this.#resolveService(target.scheme, target.name);
    const { host } = target.endpoint;
    const listed = (address: string): NativeEndpoint => endpointAt(target, address);
    if (isIP(host) !== 0) return { endpoints: [listed(host)], ttl: Infinity };
    const { addresses, ttl } = await this.#names.addresses(host);
    return { endpoints: addresses.map(listed), ttl: ttl ?? DEFAULT_INTERVAL };
  }

  async #resolveService(scheme: Endpoint['scheme'], name: string): Promise<Resolved> {
    const records = await this.#names.services(name);
    const host = name.replace(/^(?:_[^.]*\.)+/, '') || name;
    const weigh = weights(records);
    let failure: unknown;
    const each = records.map(async (record): Promise<Resolved> => {
      const { port, priority } = record;
      try {
        const { addresses, ttl } =
          isIP(record.name) === 0
            ? await this.#names.addresses(record.name)
            : { addresses: [record.name], ttl: undefined };
        const weight = weigh(record);
        const endpoints = addresses.map((address) => ({
          scheme,
          host,
          port,
          address,
          weight,
          priority,
        }));
        return { endpoints, ttl: ttl ?? DEFAULT_INTERVAL };
      } catch (error) {
        failure = error;
        return { endpoints: [] };
      }
    });
    const resolved = await Promise.all(each);
    const endpoints = resolved.flatMap((answer) => answer.endpoints);
    if (endpoints.length === 0) throw failure ?? new Error('the service is not available');
    // Node does not report the TTL of SRV records.
    return { endpoints, ttl: Math.min(DEFAULT_INTERVAL, shortest(resolved)) };
  }
}

/** Each weight is 1 if all are 0 (RFC 2782). */
function weights(records: readonly ServiceRecord[]): (record: ServiceRecord) => number {
  const weighted = records.some(({ weight }) => weight > 0);
  return ({ weight }) => (weighted ? Math.max(1, weight * WEIGHT_UNIT) : WEIGHT_UNIT);
}

function shortest(resolved: readonly Resolved[]): number {
  return Math.min(...resolved.map(({ ttl }) => ttl ?? Infinity));
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function describe(target: Target | undefined): string {
  if (target === undefined) return 'the servers';
  if (target.kind === 'srv') return nameOf(target);
  return addressText(target.endpoint.host, target.endpoint.port);
}

const CODES: ReadonlyMap<string | null, string> = new Map([
  ['ENOTFOUND', 'the name does not exist (ENOTFOUND)'],
  ['ENODATA', 'the name has no addresses (ENODATA)'],
  ['EAI_AGAIN', 'the DNS server does not answer (EAI_AGAIN)'],
]);

class ResolveError extends BackwaterError {
  readonly target: string | undefined;

  constructor(target: Target | undefined, cause: unknown) {
    super(`cannot resolve ${describe(target)}: ${reasonOf(cause)}`, { cause });
    this.target = target === undefined ? undefined : nameOf(target);
  }
}

function reasonOf(error: unknown): string {
  if (typeof error === 'string') return error;
  if (codeOf(error) === 'ERR_ACCESS_DENIED') {
    return 'with --permission, Node also needs --allow-net to look up names';
  }
  const known = CODES.get(codeOf(error));
  if (known !== undefined) return known;
  return messageOf(error);
}

function codeOf(error: unknown): string | null {
  const code = (error as NodeJS.ErrnoException | null | undefined)?.code;
  return typeof code === 'string' ? code : null;
}

function failureOf(error: unknown, source: Source): ResolveFailure {
  if (error instanceof ResolveError) {
    return { name: error.target ?? '', code: codeOf(error.cause), message: error.message };
  }
  const name = typeof source === 'function' ? source.name : '';
  const what = `cannot resolve the servers: ${reasonOf(error)}`;
  return { name, code: codeOf(error), message: what };
}

function tooLate(): Error {
  const message = `no answer within ${LIMIT} ms`;
  return Object.assign(new Error(message), { code: 'ETIMEOUT' });
}

import { abortReason } from './abort.js';
import { bridge } from '../bridge/bridge.js';
import { JOB_CALL, JobWord } from '../bridge/numbers.js';
import { beginAtCaller } from '../platform/call-stack.js';
import type { SizeLimit } from '../codec/serialize-error.js';
import { type ClientStats, lastStatsOf, statsOf } from './stats.js';
import {
  BackwaterError,
  type BackwaterErrorCode,
  ClosedError,
  OptionError,
  QueueFullError,
} from '../errors/errors.js';
import { unwrap } from '../bridge/failures.js';
import { nativeOptions } from '../bridge/native.js';
import { maxValueSize } from '../platform/heap.js';
import { runAtRoot } from '../platform/host.js';
import { attempt, inspectBriefly } from '../platform/inspect.js';
import { defaultIoThreads } from '../options/io-threads.js';
import { toJson } from '../platform/json.js';
import { ownProperties } from '../platform/own-properties.js';
import {
  callOptions,
  clientOptions,
  type CallOptions,
  type CallSettings,
  type ClientOptions,
  type ClientSettings,
} from './options.js';
import { parseSecrets, type Secret } from '../options/secrets.js';
import { callHeaders, mergeMetadata } from '../options/metadata.js';
import { isError } from '../platform/realms.js';
import { PendingCall, type Tally } from './pending-call.js';
import { type AnyModule, remoteModule, type RemoteModule } from './remote-module.js';
import { endpointOptions, startResolver, stopResolver } from '../resolve/endpoints.js';
import type { Resolver } from '../resolve/resolver.js';
import {
  maySpeakTls,
  parseSource,
  type EndpointResolver,
  type Source,
} from '../resolve/targets.js';
import { shareTrustedRoots } from './trusted-roots.js';
import { isTuple } from '../terms/tuple.js';
import type { Term } from '../terms/values.js';
import { type NativeTlsClient, tlsClientKey, tlsClientOptions } from '../options/tls.js';

/** Where to call, and with which secret. */
export interface Target {
  /**
   * A URL (`new URL('http://10.0.0.1:8080')` or its text), `'host'` (port 8080), or `'host:port'`.
   */
  readonly url: string | URL;
  /** The secret shared with the server, or several: the first signs, any is accepted. */
  readonly secret: string | Uint8Array | readonly (string | Uint8Array)[];
}

/**
 * What {@link Client.tryCall} gives as error: one of this library, the reason of an abort, or, with
 * `rethrowRemoteExceptions`, one like that of the remote function.
 */
export type CallError = Error & {
  /** Says which kind of error it is; undefined for errors of programs that have none. */
  readonly code?: BackwaterErrorCode | (string & {}) | number;
};

/** What {@link Client.tryCall} resolves to. */
export type CallResult<T = Term> =
  | {
      /** Whether there is a value. */
      readonly ok: true;
      /** What the function has returned. */
      readonly value: T;
    }
  | {
      /** Whether there is a value. */
      readonly ok: false;
      /** What {@link Client.call} would have rejected with. */
      readonly error: CallError;
    };

/**
 * Calls functions of one server, or of several that are alike, over connections that are kept and used again.
 *
 * @example
 * ```ts
 * import { Client } from 'backwater';
 * const client = new Client({ url: 'http://127.0.0.1:8080', secret: process.env.SECRET! });
 * const result = await client.call('string', 'to_upper', ['hello']);
 * await client.close();
 * ```
 */
export class Client {
  readonly #settings: ClientSettings;
  readonly #id: number;
  readonly #resolver: Resolver | undefined;
  readonly #tally: Tally = { pending: 0, bytes: 0 };
  #calls = 0;
  #closed = false;

  /** @throws {@link OptionError} naming the option that is unknown or wrong */
  constructor(options: ClientOptions) {
    if (typeof options !== 'object' || options === null) throw noOptions(options);
    const { url, secret, tls, ...rest } = ownProperties(options);
    const source = parseSource(url);
    const secrets = parseSecrets(secret);
    this.#settings = clientOptions(rest);
    const native = nativeOptions({
      ...this.#settings,
      ...endpointOptions(source),
      tls: secureOptions(source, tls),
      ioThreads: defaultIoThreads(),
      maxValueSize: maxValueSize(),
    });
    this.#id = unwrap(bridge.native.createClient(native, secrets));
    bridge.spinner.set(`client ${this.#id}`, this.#settings.spin);
    const { resolveInterval: interval, dnsServers } = this.#settings;
    this.#resolver = startResolver(this.#id, source, { interval, dnsServers });
  }

  /**
   * Calls a function and waits for its value.
   *
   * @param module the module's name, as the server exposes it
   * @param fn the function's name
   * @param args its arguments, at most 255
   * @throws a {@link BackwaterError}: {@link RemoteException} when the function raised one,
   * {@link RemoteError} when the server refused the call, and ConnectError, TimeoutError,
   * ResponseAuthenticationError, ResponseError, TermError or ClosedError when there is no answer to
   * believe; the signal's reason when it is aborted
   */
  call<T = Term>(
    module: string,
    fn: string,
    args: readonly unknown[] = [],
    options?: CallOptions,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settings = callOptions(options, this.#settings);
      checkCall(module, fn, args);
      if (this.#closed) throw new ClosedError('the client is closed');
      if (settings.signal?.aborted) throw abortReason(settings.signal);
      const pending = new PendingCall(
        this.#tally,
        settings,
        resolve as (value: unknown) => void,
        reject,
        module,
        fn,
        args.length,
      );
      const id = bridge.newId();
      const size = this.#post(id, module, fn, args, settings);
      // Only now, since getters of the arguments may throw, or never return.
      bridge.begin(id, pending);
      pending.begun(id, size);
      this.#calls++;
      this.#resolver?.touch();
    });
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
   * Names that JavaScript, loggers and test runners ask any object for are not remote functions: those of
   * `Object.prototype`, `then`, `catch`, `finally`, `toJSON`, `inspect`, names that begin with `__`, `$$` or
   * `@@`, and a few more, see docs/client.md. {@link Client.call} reaches functions of these names.
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
    callOptions(options, this.#settings);
    checkName('module', name);
    return remoteModule(name, (fn, args) =>
      this.call(name, fn, args, options),
    ) as RemoteModule<Module>;
  }

  /** Figures of this moment: calls, servers, and what was done about failures. */
  stats(): ClientStats {
    const { pending, calls } = { pending: this.#tally.pending, calls: this.#calls };
    return { pending, calls, ...(this.#last ?? statsOf(this.#id, this.#resolver?.stats())) };
  }
  /** Those of a client that is closed. */
  #last: ReturnType<typeof statsOf> | undefined;

  /**
   * Signs with the first of these secrets from now on, and believes answers that are signed with any;
   * what has been sent keeps the secrets of then. To change the secret of a service with no failed
   * call: the servers take `[old, new]`, then the clients `new`, then the servers `new`.
   *
   * @throws {@link OptionError} when there is no secret, or none that can be one; {@link ClosedError}
   * when the client is closed
   * @example
   * ```ts
   * import { Client } from 'backwater';
   * const client = new Client({ url: '127.0.0.1:8080', secret: process.env.OLD_SECRET! });
   * client.setSecrets([process.env.NEW_SECRET!, process.env.OLD_SECRET!]);
   * ```
   */
  setSecrets(secrets: Secret | readonly Secret[]): void {
    const parsed = parseSecrets(secrets);
    if (this.#closed) throw new ClosedError('the client is closed');
    bridge.native.setClientSecrets(this.#id, parsed);
  }

  /**
   * Takes no further calls, waits for those under way, also those that wait for a connection, and
   * closes the connections. How long that may take is up to the timeouts of the calls. Calling it again
   * waits for the same end.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }
  #closing: Promise<void> | undefined;

  async #close(): Promise<void> {
    this.#closed = true;
    bridge.spinner.set(`client ${this.#id}`, 0);
    try {
      await bridge.operation((id) => bridge.native.closeClient(this.#id, id));
    } finally {
      // Only now: calls may have waited for it.
      this.#last = lastStatsOf(this.#id, this.#resolver?.stats());
      stopResolver(this.#id, this.#resolver);
    }
  }

  /** Closes the client, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Returns how many bytes the arguments take. */
  #post(
    id: number,
    module: string,
    fn: string,
    args: readonly unknown[],
    settings: CallSettings,
  ): number {
    const fields: number[] = [];
    fields[JobWord.client] = this.#id;
    fields[JobWord.arity] = args.length;
    fields[JobWord.flags] = settings.flags;
    fields[JobWord.connectTimeout] = milliseconds(settings.connectTimeout);
    fields[JobWord.recvTimeout] = milliseconds(settings.recvTimeout);
    fields[JobWord.maxEncodedResultSize] = settings.maxEncodedResultSize;
    fields[JobWord.maxEncodedArgsSize] = settings.maxEncodedArgsSize;
    fields[JobWord.compressionThreshold] = Math.min(settings.compressionThreshold, MAX_UINT32);
    fields[JobWord.timeout] = milliseconds(settings.timeout);
    fields[JobWord.maxRetries] = settings.maxRetries;
    fields[JobWord.hedgeDelay] = milliseconds(settings.hedgeDelay);
    const limit: SizeLimit = { bytes: settings.maxEncodedArgsSize, option: 'maxEncodedArgsSize' };
    let size = 0;
    bridge.jobs.add(JOB_CALL, id, fields, (encoder) => {
      const { word, float, byte } = encoder;
      fields[JobWord.names] = byte;
      fields[JobWord.namesLength] = encoder.putText(`${module}\0${fn}`);
      if (settings.metadata !== undefined || settings.trace !== undefined) {
        fields[JobWord.headers] = encoder.byte;
        const headers = callHeaders(settings.metadata, settings.trace);
        fields[JobWord.headersLength] = encoder.putText(headers);
      }
      encoder.encode(args, settings, limit, 'args', this.call);
      size = encoder.byte - byte + (encoder.word - word) * 4 + (encoder.float - float) * 8;
      size += encoder.outOfBandBytes;
      const { maxBytesInFlight } = this.#settings;
      if (this.#tally.bytes > 0 && this.#tally.bytes + size > maxBytesInFlight) {
        const full = new QueueFullError({ option: 'maxBytesInFlight', limit: maxBytesInFlight });
        throw beginAtCaller(full, this.call);
      }
    });
    return size;
  }
}

const MAX_UINT32 = 2 ** 32 - 1;

/** @internal A time as a number of 32 bits, the largest of which means none. */
export function milliseconds(time: number): number {
  return Number.isFinite(time) ? time : MAX_UINT32;
}

function noOptions(given: unknown): OptionError {
  const options = 'the options of a client are an object { url, secret, … }';
  return new OptionError(`${options}, not ${kindOf(given)}`, { option: 'options' });
}

/** What a value is, without what it holds: it may be a secret. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  const type = typeof value;
  return `${type === 'object' ? 'an' : 'a'} ${type}`;
}

function checkName(what: string, name: unknown): void {
  if (typeof name !== 'string' || !name.isWellFormed()) {
    const given = inspectBriefly(name, 100);
    throw new OptionError(`the ${what}'s name is a string, not ${given}`, { option: what });
  }
  const length = name.length > 255 ? Array.from(name).length : name.length;
  if (length < 1 || length > 255 || name.includes('\0')) {
    throw new OptionError(`the ${what}'s name has 1 to 255 characters, none of them NUL`, {
      option: what,
    });
  }
}

/** @internal Refuses what no call can carry. */
export function checkCall(module: unknown, fn: unknown, args: unknown): void {
  checkName('module', module);
  checkName('function', fn);
  // A revoked proxy throws even when it is asked whether it is an array.
  const isArray = attempt(() => Array.isArray(args)) === true;
  if (!isArray || isTuple(args)) {
    const given = isArray ? 'a tuple' : kindOf(args);
    throw new OptionError(`args is an array of the arguments, such as ['x', 1], not ${given}`, {
      option: 'args',
    });
  }
  const { length } = args as unknown[];
  if (length > 255) {
    throw new OptionError(`a call has at most 255 args, not ${length}`, { option: 'args' });
  }
}

/** What TLS needs, where it may be spoken. */
function secureOptions(source: Source, tls: unknown): NativeTlsClient | null {
  if (!maySpeakTls(source)) {
    if (tls === undefined) return null;
    throw new OptionError("option 'tls' is for https URLs; option 'url' says http", {
      option: 'tls',
    });
  }
  const options = tlsClientOptions(tls === undefined ? {} : tls);
  if (options.ca === null && !options.acceptAny) shareTrustedRoots();
  return options;
}

/** Clients of the one-shot {@link call} in this thread, one for each target and set of options. */
const shared = new Map<string, Client>();
const MAX_SHARED = 64;

/**
 * Makes one call without a client of your own. Calls from this thread to the same target share a client.
 *
 * @example
 * ```ts
 * import { call } from 'backwater';
 * const target = { url: '127.0.0.1:8080', secret: 'at least 32 bytes of random data' };
 * const upper = call(target, 'string', 'to_upper', ['hello']);
 * ```
 */
export async function call<T = Term>(
  target: ClientOptions,
  module: string,
  fn: string,
  args: readonly unknown[] = [],
  options?: CallOptions,
): Promise<T> {
  const { encoders, revivers, metadata, ...rest } = ownProperties(target);
  const client = sharedClient(rest);
  // Clients are not told apart by these: they belong to the call.
  if (encoders === undefined && revivers === undefined && metadata === undefined) {
    return client.call<T>(module, fn, args, options);
  }
  const own = { encoders, revivers, ...options };
  if (metadata !== undefined) own.metadata = mergeMetadata(metadata, own.metadata);
  return client.call<T>(module, fn, args, own);
}

/** {@link call} that never rejects. */
export async function tryCall<T = Term>(
  target: ClientOptions,
  module: string,
  fn: string,
  args: readonly unknown[] = [],
  options?: CallOptions,
): Promise<CallResult<T>> {
  try {
    return { ok: true, value: await call<T>(target, module, fn, args, options) };
  } catch (error) {
    return { ok: false, error: isError(error) ? error : BackwaterError.from(error) };
  }
}

const numbers = new WeakMap<object, number>();
let functions = 0;

/** Tells functions apart. */
function numberOf(resolver: EndpointResolver): number {
  const number = numbers.get(resolver) ?? ++functions;
  numbers.set(resolver, number);
  return number;
}

function sharedClient(target: ClientOptions): Client {
  const { url, secret, tls, ...rest } = ownProperties(target);
  const source = parseSource(url);
  const where = typeof source === 'function' ? numberOf(source) : source;
  const secrets = parseSecrets(secret).map((bytes) => Buffer.from(bytes).toString('base64'));
  const sorted = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  const secure = tls === undefined ? undefined : tlsClientKey(tls);
  // JSON knows no infinity.
  const key = toJson([where, secrets, secure, sorted], (value) =>
    typeof value === 'number' ? String(value) : value,
  );
  const known = shared.get(key);
  if (known !== undefined) {
    // The least recently used one comes first.
    shared.delete(key);
    shared.set(key, known);
    return known;
  }
  // It outlives the call that it is made for, and so must not hold its stores.
  const client = runAtRoot(() => new Client(target));
  shared.set(key, client);
  if (shared.size > MAX_SHARED) {
    const [oldest, least] = shared.entries().next().value!;
    shared.delete(oldest);
    void least.close();
  }
  return client;
}

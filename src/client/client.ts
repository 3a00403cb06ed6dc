import { environment } from '../platform/environment.js';
import { bridge } from '../bridge/bridge.js';
import { unwrap } from '../bridge/failures.js';
import { nativeOptions } from '../platform/native.js';
import { ClosedError, OptionError } from '../errors/errors.js';
import { defaultIoThreads } from '../options/io-threads.js';
import { ownProperties } from '../platform/own-properties.js';
import { clientOptions, type ClientOptions } from './options.js';
import { parseSecrets, type Secret } from '../options/secrets.js';
import { refuseOption } from '../options/table.js';
import { type NativeTlsClient, tlsClientOptions } from '../options/tls.js';
import { maxValueSize } from '../platform/heap.js';
import { endpointOptions, startResolver, stopResolver } from '../resolve/endpoints.js';
import type { Resolver } from '../resolve/resolver.js';
import { maySpeakTls, parseSource, type Source } from '../resolve/targets.js';
import { CallMaker } from './call-maker.js';
import { kindOf } from './check-call.js';
import type { ServerAddress } from './intercept.js';
import { type ClientStats, lastStatsOf, statsOf } from './stats.js';
import { shareTrustedRoots } from './trusted-roots.js';
import { ClientView } from './view.js';

/** The server to call, and its secret. */
export interface Target {
  /** A URL (`new URL('http://10.0.0.1:8080')` or its text), `'host'` (port 8080), or `'host:port'`. */
  readonly url: string | URL;
  /** The secret shared with the server. In a list, the first one signs and all are accepted. */
  readonly secret: string | Uint8Array | readonly (string | Uint8Array)[];
}

/**
 * Calls functions of a server, or of several equivalent ones, over connections that it reuses.
 *
 * @example
 * ```ts
 * import { Client } from 'backwater';
 * const client = new Client({ url: 'http://127.0.0.1:8080', secret: process.env.SECRET! });
 * const result = await client.call('string', 'to_upper', ['hello']);
 * await client.close();
 * ```
 */
export class Client extends ClientView {
  readonly #maker: CallMaker;
  readonly #id: number;
  readonly #resolver: Resolver | undefined;
  #closed = false;

  /** @throws {@link OptionError} naming the option that is unknown or has an invalid value */
  constructor(options: ClientOptions) {
    if (typeof options !== 'object' || options === null) throw noOptions(options);
    const { url, secret, tls, ...rest } = ownProperties(options);
    const source = parseSource(url);
    const secrets = parseSecrets(secret);
    const settings = clientOptions(rest);
    const native = nativeOptions({
      ...settings,
      ...endpointOptions(source),
      tls: secureOptions(source, tls),
      ioThreads: defaultIoThreads(),
      maxValueSize: maxValueSize(),
    });
    const id = unwrap(environment.createClient(native, secrets));
    bridge.spinner.set(`client ${id}`, settings.spin);
    const { resolveInterval: interval, dnsServers } = settings;
    const resolver = startResolver(id, source, { interval, dnsServers });
    const maker = new CallMaker(id, settings, serverOf(source), resolver);
    super(maker, settings);
    this.#maker = maker;
    this.#id = id;
    this.#resolver = resolver;
  }

  /** Returns current statistics of calls, servers, retries and hedges. */
  stats(): ClientStats {
    return { ...this.#maker.stats, ...(this.#last ?? statsOf(this.#id, this.#resolver?.stats())) };
  }
  #last: ReturnType<typeof statsOf> | undefined;

  /**
   * Replaces the secrets. From now on, the first one signs and all are accepted. docs/secrets.md shows
   * how to rotate them without failed calls.
   *
   * @throws {@link OptionError} if a secret is invalid; {@link ClosedError} if the client is closed
   */
  setSecrets(secrets: Secret | readonly Secret[]): void {
    const parsed = parseSecrets(secrets);
    if (this.#closed) throw new ClosedError('the client is closed');
    environment.setClientSecrets(this.#id, parsed);
  }

  /** Stops accepting calls, waits for the earlier ones, and closes the connections. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }
  #closing: Promise<void> | undefined;

  async #close(): Promise<void> {
    this.#closed = true;
    bridge.spinner.set(`client ${this.#id}`, 0);
    try {
      await this.#maker.close();
      await bridge.operation((id) => environment.closeClient(this.#id, id));
    } finally {
      // Calls may have changed the figures until now.
      this.#last = lastStatsOf(this.#id, this.#resolver?.stats());
      stopResolver(this.#id, this.#resolver);
    }
  }

  /** Closes the client, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function serverOf(source: Source): ServerAddress | undefined {
  if (typeof source === 'function' || source.length !== 1) return undefined;
  const [target] = source;
  if (target!.kind === 'srv') return { address: target!.name };
  const { host, port } = target!.endpoint;
  return { address: host, port };
}

function noOptions(given: unknown): OptionError {
  const options = 'the options of a client must be an object { url, secret, … }';
  return new OptionError(`${options}, not ${kindOf(given)}`, { option: 'options' });
}

function secureOptions(source: Source, tls: unknown): NativeTlsClient | null {
  if (!maySpeakTls(source)) {
    if (tls === undefined) return null;
    throw refuseOption('tls', "is for https URLs; option 'url' says http");
  }
  const options = tlsClientOptions(tls === undefined ? {} : tls);
  if (options.ca === null && !options.acceptAny) shareTrustedRoots();
  return options;
}

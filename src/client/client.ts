import { environment } from '../platform/environment.js';
import { bridge } from '../bridge/bridge.js';
import { unwrap } from '../bridge/failures.js';
import { nativeOptions } from '../platform/native.js';
import { ClosedError, OptionError } from '../errors/errors.js';
import { defaultIoThreads } from '../options/io-threads.js';
import { ownProperties } from '../platform/own-properties.js';
import { clientOptions, type ClientOptions } from './options.js';
import { parseSecrets, type Secret } from '../options/secrets.js';
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

/** Where to call, and the secret. */
export interface Target {
  /**
   * A URL (`new URL('http://10.0.0.1:8080')` or its text), `'host'` (port 8080), or `'host:port'`.
   */
  readonly url: string | URL;
  /** The secret shared with the server, or several: the first signs, any is accepted. */
  readonly secret: string | Uint8Array | readonly (string | Uint8Array)[];
}

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
export class Client extends ClientView {
  readonly #maker: CallMaker;
  readonly #id: number;
  readonly #resolver: Resolver | undefined;
  #closed = false;

  /** @throws {@link OptionError} naming the option that is unknown or wrong */
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

  /** Figures of this moment: calls, servers, and what was done about failures. */
  stats(): ClientStats {
    return { ...this.#maker.stats, ...(this.#last ?? statsOf(this.#id, this.#resolver?.stats())) };
  }
  /** The figures of a closed client. */
  #last: ReturnType<typeof statsOf> | undefined;

  /**
   * Signs with the first of these secrets from now on, and believes answers that are signed with any;
   * what has been sent keeps the secrets of then. To change the secret of a service with no failed
   * call: the servers take `[old, new]`, then the clients `new`, then the servers `new`.
   *
   * @throws {@link OptionError} if the secret is missing or invalid; {@link ClosedError}
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
    environment.setClientSecrets(this.#id, parsed);
  }

  /**
   * Takes no more calls, waits for calls under way, including queued ones, and
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
      await this.#maker.close();
      await bridge.operation((id) => environment.closeClient(this.#id, id));
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
}

/** The server, if all calls go to one name or address. */
function serverOf(source: Source): ServerAddress | undefined {
  if (typeof source === 'function' || source.length !== 1) return undefined;
  const [target] = source;
  if (target!.kind === 'srv') return { address: target!.name };
  const { host, port } = target!.endpoint;
  return { address: host, port };
}

function noOptions(given: unknown): OptionError {
  const options = 'the options of a client are an object { url, secret, … }';
  return new OptionError(`${options}, not ${kindOf(given)}`, { option: 'options' });
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

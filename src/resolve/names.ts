import callbackDns, { promises as dns, type RecordWithTtl } from 'node:dns';
import { bridge, type Timer } from '../bridge/bridge.js';
import { HostsFile } from './hosts.js';

export interface Answer {
  readonly addresses: readonly string[];
  /** In milliseconds, if known. */
  readonly ttl?: number | undefined;
}

/** RFC 2782. */
export interface ServiceRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** In milliseconds, for the first try; the second may take twice as long. */
const DNS_TIMEOUT = 1000;
const DNS_TRIES = 2;
/** How long to wait for the slower address family, in milliseconds. Some servers never answer AAAA. */
const GRACE = 300;
/** Tried if the name itself has no SRV records. */
const SERVICE_PREFIX = '_backwater._tcp.';

/** Asks the hosts file, then DNS because of its TTL, then the system (search domains, mDNS, LDAP). */
export class Names {
  readonly #hosts: HostsFile;
  readonly #dns = new dns.Resolver({ timeout: DNS_TIMEOUT, tries: DNS_TRIES });
  readonly #exclusive: boolean;

  constructor(servers?: readonly string[], hosts = new HostsFile()) {
    this.#hosts = hosts;
    this.#exclusive = servers !== undefined;
    if (servers !== undefined) this.#dns.setServers(servers);
  }

  async addresses(host: string): Promise<Answer> {
    const listed = await this.#hosts.addresses(host);
    if (listed.length > 0) return { addresses: listed };
    this.#followProcess();
    try {
      return await this.#ask(host);
    } catch (error) {
      if (this.#exclusive || isCancelled(error)) throw error;
    }
    const found = await dns.lookup(host, { all: true });
    const addresses = found.map(({ address }) => address);
    return { addresses: addresses.filter((address) => !address.includes('%')) };
  }

  async services(name: string): Promise<readonly ServiceRecord[]> {
    let records: readonly ServiceRecord[];
    this.#followProcess();
    try {
      records = await this.#dns.resolveSrv(name);
    } catch (error) {
      if (name.startsWith('_') || isCancelled(error)) throw error;
      try {
        records = await this.#dns.resolveSrv(`${SERVICE_PREFIX}${name}`);
      } catch {
        throw error;
      }
    }
    // RFC 2782: "the service is decidedly not available at this domain".
    return records.filter(({ name: target }) => target !== '' && target !== '.');
  }

  close(): void {
    this.#dns.cancel();
  }

  /** Uses the servers that the program has set with `dns.setServers`. */
  #followProcess(): void {
    if (this.#exclusive) return;
    // Not imported by name, because setServers replaces the function.
    const servers = callbackDns.getServers();
    if (servers.join() !== this.#dns.getServers().join()) this.#dns.setServers(servers);
  }

  async #ask(host: string): Promise<Answer> {
    const four = this.#dns.resolve4(host, { ttl: true });
    const six = this.#dns.resolve6(host, { ttl: true });
    const timers: Timer[] = [];
    const inTime = async (
      asked: Promise<RecordWithTtl[]>,
      other: Promise<RecordWithTtl[]>,
    ): Promise<RecordWithTtl[]> => {
      const late = other.then(
        () =>
          new Promise<RecordWithTtl[]>((resolve) => {
            timers.push(bridge.startTimer(() => resolve([]), GRACE));
          }),
        () => asked,
      );
      return Promise.race([asked, late]);
    };
    const [first, second] = await Promise.allSettled([inTime(four, six), inTime(six, four)]);
    for (const timer of timers) timer.stop();
    const records = [first, second].flatMap((result) =>
      result.status === 'fulfilled' ? result.value : [],
    );
    if (records.length === 0) {
      throw first.status === 'rejected' ? first.reason : noAddress(host);
    }
    return {
      addresses: records.map(({ address }) => address),
      ttl: Math.min(...records.map(({ ttl }) => ttl)) * 1000,
    };
  }
}

function isCancelled(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ECANCELLED';
}

function noAddress(host: string): Error {
  return Object.assign(new Error(`${host} has no address`), { code: 'ENODATA' });
}

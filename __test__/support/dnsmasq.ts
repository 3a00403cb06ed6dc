import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { isFree, portThat, until } from './fleet.js';

/** Debian keeps it where only root's PATH leads. */
const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;

/** Whether dnsmasq is there. With BACKWATER_REQUIRE_PEERS its absence is an error. */
export function hasDnsmasq(): boolean {
  const found = spawnSync('dnsmasq', ['--version'], { env: { ...process.env, PATH } }).status === 0;
  if (!found && process.env['BACKWATER_REQUIRE_PEERS']) {
    throw new Error('dnsmasq is missing, and BACKWATER_REQUIRE_PEERS is set');
  }
  return found;
}

/** What dnsmasq answers. */
export interface Zone {
  /** Addresses by name. */
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
  /** SRV records by name. */
  readonly services?: Readonly<
    Record<
      string,
      readonly {
        readonly target: string;
        readonly port: number;
        readonly priority?: number;
        readonly weight?: number;
      }[]
    >
  >;
}

/** A DNS server of the test's own. */
export class Dnsmasq {
  readonly #folder = mkdtempSync(join(tmpdir(), 'backwater-dns-'));
  readonly #port: number;
  #running: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  /** Its address, for the option `dnsServers`. */
  get server(): string {
    return `127.0.0.1:${this.#port}`;
  }

  static async start(t: ExecutionContext, zone: Zone): Promise<Dnsmasq> {
    const dnsmasq = new Dnsmasq(await portThat(t, isFreeForDns));
    t.teardown(() => dnsmasq.#end());
    await dnsmasq.answer(zone);
    return dnsmasq;
  }

  /** Answers something else from now on. TTLs are 1 s. */
  async answer({ hosts = {}, services = {} }: Zone): Promise<void> {
    await this.stop();
    const lines = Object.entries(hosts).flatMap(([name, addresses]) =>
      addresses.map((address) => `${address} ${name}`),
    );
    const file = join(this.#folder, 'hosts');
    // Answered last, so that it is known when all is read.
    writeFileSync(file, `${lines.join('\n')}\n127.9.9.9 ready.test\n`);
    const records = Object.entries(services).flatMap(([name, list]) =>
      list.map(
        ({ target, port, priority = 0, weight = 0 }) =>
          `--srv-host=${name},${target},${port},${priority},${weight}`,
      ),
    );
    this.#running = spawn(
      'dnsmasq',
      [
        '--no-daemon',
        '--conf-file=/dev/null',
        `--port=${this.#port}`,
        '--listen-address=127.0.0.1',
        '--bind-interfaces',
        '--no-resolv',
        '--no-hosts',
        '--no-poll',
        '--local=/test/',
        '--user=',
        '--group=',
        `--addn-hosts=${file}`,
        '--local-ttl=1',
        '--log-facility=-',
        ...records,
      ],
      { stdio: 'ignore', env: { ...process.env, PATH } },
    );
    const running = this.#running;
    const asking = new dns.Resolver({ timeout: 200, tries: 1 });
    asking.setServers([this.server]);
    await until(async () => {
      if (running.exitCode !== null) throw new Error('dnsmasq does not start');
      return asking.resolve4('ready.test').then(
        () => true,
        () => false,
      );
    }, 'dnsmasq answers');
  }

  /** Answers nothing any more. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    if (running === undefined || running.exitCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  }

  async #end(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** DNS uses UDP and TCP. */
async function isFreeForDns(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
  } catch {
    return false;
  } finally {
    socket.close();
  }
  return isFree('127.0.0.1', port);
}

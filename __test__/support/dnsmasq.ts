import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { isFree, portThat, until } from './fleet.js';

/** Debian installs it outside of the PATH of ordinary users. */
const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;

/** With BACKWATER_REQUIRE_PEERS, fails if dnsmasq is missing. */
export function hasDnsmasq(): boolean {
  const found = spawnSync('dnsmasq', ['--version'], { env: { ...process.env, PATH } }).status === 0;
  if (!found && process.env['BACKWATER_REQUIRE_PEERS']) {
    throw new Error('dnsmasq is missing, and BACKWATER_REQUIRE_PEERS is set');
  }
  return found;
}

export interface Zone {
  readonly hosts?: Readonly<Record<string, readonly string[]>>;
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

export class Dnsmasq {
  readonly #folder = mkdtempSync(join(tmpdir(), 'backwater-dns-'));
  readonly #port: number;
  #running: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  get server(): string {
    return `127.0.0.1:${this.#port}`;
  }

  static async start(t: ExecutionContext, zone: Zone): Promise<Dnsmasq> {
    const dnsmasq = new Dnsmasq(await portThat(t, isFreeForDns));
    t.teardown(() => dnsmasq.#end());
    await dnsmasq.answer(zone);
    return dnsmasq;
  }

  /** The TTL of each answer is 1 s. */
  async answer({ hosts = {}, services = {} }: Zone): Promise<void> {
    await this.stop();
    const lines = Object.entries(hosts).flatMap(([name, addresses]) =>
      addresses.map((address) => `${address} ${name}`),
    );
    const file = join(this.#folder, 'hosts');
    // Once the last line is served, the whole file has been read.
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

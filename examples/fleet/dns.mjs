// A DNS server (dnsmasq) with one name whose addresses change.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Resolver } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, start, stop } from './processes.mjs';

export const NAME = 'fleet.test';
/** The TTL of the answers, in seconds. */
export const TTL = 1;

export async function startDns(addresses) {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-dnsmasq-'));
  const hosts = join(folder, 'hosts');
  const write = (list) => {
    writeFileSync(`${hosts}.new`, list.map((address) => `${address} ${NAME}\n`).join(''));
    renameSync(`${hosts}.new`, hosts);
  };
  write(addresses);
  const port = await freePort('127.0.0.1');
  const child = start('dnsmasq', [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--no-resolv',
    '--no-hosts',
    `--addn-hosts=${hosts}`,
    '--listen-address=127.0.0.1',
    '--bind-interfaces',
    `--port=${port}`,
    `--local-ttl=${TTL}`,
    '--pid-file=',
    ...(process.getuid?.() === 0 ? ['--user=root'] : []),
  ]);
  const server = `127.0.0.1:${port}`;
  await child.whileRunning(answers(server, addresses));
  return {
    server,
    async setAddresses(list) {
      write(list);
      child.kill('SIGHUP');
      await child.whileRunning(answers(server, list));
    },
    async stop() {
      await stop(child);
      rmSync(folder, { recursive: true });
    },
  };
}

async function answers(server, expected) {
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([server]);
  for (;;) {
    const found = await resolver.resolve4(NAME).catch(() => []);
    if (found.length === expected.length && found.every((each) => expected.includes(each))) return;
    await sleep(20);
  }
}

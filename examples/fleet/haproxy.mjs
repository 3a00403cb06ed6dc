// HAProxy in front of the fleet: checks the health of each server and balances calls over the healthy ones.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, listening, start, stop } from './processes.mjs';

/** The interval of health checks, in milliseconds; drainDelay must be longer. */
export const CHECK_INTERVAL = 200;

/** `waitUntilUp` resolves once HAProxy sends calls to a server again. */
export async function startHaproxy(members) {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-haproxy-'));
  const [port, statsPort] = [await freePort('127.0.0.1'), await freePort('127.0.0.1')];
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration(members, port, statsPort));
  const child = start('haproxy', ['-db', '-f', file]);
  await child.whileRunning(listening('127.0.0.1', port));
  return {
    url: `http://127.0.0.1:${port}`,
    async waitUntilUp(member) {
      const name = nameOf(member);
      await child.whileRunning(statusIs(statsPort, name, 'UP'));
    },
    async stop() {
      await stop(child);
      rmSync(folder, { recursive: true });
    },
  };
}

const configuration = (members, port, statsPort) => `
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  # If a server refuses the connection, try another one: nothing has been sent yet.
  option redispatch
  retries 3
  retry-on conn-failure

frontend calls
  bind 127.0.0.1:${port}
  default_backend fleet

backend fleet
  balance leastconn
  option httpchk GET /healthz
  http-check expect status 200
  default-server check inter ${CHECK_INTERVAL}ms fall 1 rise 2
${members.map((member) => `  server ${nameOf(member)} ${member.host}:${member.port}`).join('\n')}

frontend stats
  bind 127.0.0.1:${statsPort}
  stats enable
  stats uri /
`;

function nameOf({ host, port }) {
  return `${host}:${port}`.replaceAll(/[.:]/g, '-');
}

async function statusIs(statsPort, name, expected) {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${statsPort}/;csv`);
    const row = (await response.text())
      .split('\n')
      .find((line) => line.startsWith(`fleet,${name},`));
    if (row?.split(',')[17]?.startsWith(expected)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

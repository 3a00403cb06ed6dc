import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Certificate } from './certificates.js';
import { freePort } from './fleet.js';
import { eventually } from './stalling.js';

// Debian installs it outside of the PATH of ordinary users.
const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` };

/** With BACKWATER_REQUIRE_PEERS, fails if HAProxy is missing. */
export function haproxyAvailable(): boolean {
  const available = spawnSync('haproxy', ['-v'], { env }).error === undefined;
  if (!available && process.env['BACKWATER_REQUIRE_PEERS']) {
    throw new Error('BACKWATER_REQUIRE_PEERS is set, but `haproxy` cannot be run');
  }
  return available;
}

export interface Haproxy {
  /** HTTP/1.1 without TLS. */
  readonly clear: string;
  /** HTTP/1.1 or HTTP/2 over TLS, as the client prefers. */
  readonly tls: string;
}

export async function startHaproxy(
  t: ExecutionContext,
  server: { readonly url: string },
  { cert, key }: Certificate,
): Promise<Haproxy> {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-haproxy-'));
  const [clear, tls] = [await freePort(t, 1), await freePort(t, 1)];
  writeFileSync(join(folder, 'pair.pem'), readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    `
defaults
  mode http
  timeout connect 60s
  timeout client 120s
  timeout server 120s

frontend calls
  bind 127.0.0.1:${clear}
  bind 127.0.0.1:${tls} ssl crt ${join(folder, 'pair.pem')} alpn h2,http/1.1
  default_backend servers

backend servers
  server only ${new URL(server.url).host}
`,
  );
  const child = spawn('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'exit');
  let said = '';
  child.stderr.on('data', (piece: Buffer) => (said += piece.toString()));
  t.teardown(async () => {
    kill();
    await ended;
    process.off('exit', kill);
    rmSync(folder, { recursive: true });
  });
  await eventually('HAProxy listens', async () => {
    if (child.exitCode !== null) throw new Error(`HAProxy has ended: ${said}`);
    return (await isListening(clear)) && (await isListening(tls));
  });
  return { clear: `http://localhost:${clear}`, tls: `https://localhost:${tls}` };
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

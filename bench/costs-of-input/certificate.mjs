import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';

export function certificate() {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-costs-'));
  try {
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name));
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const files = ['-keyout', key, '-out', cert];
    const args = ['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=localhost', ...files];
    const { status } = spawnSync('openssl', args, { stdio: 'ignore' });
    if (status !== 0) throw new Error('openssl made no certificate');
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function clientHello() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const first = new Promise((resolve) => {
    server.on('connection', (socket) => socket.once('data', resolve).on('error', () => {}));
  });
  const client = connect({ port: server.address().port, host: '127.0.0.1' });
  client.on('error', () => {});
  const bytes = await first;
  client.destroy();
  server.close();
  return bytes;
}

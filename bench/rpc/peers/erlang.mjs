// The Erlang peer of the interoperability tests: Erlang's own term_to_binary, crypto and sockets.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { encodeRequest } from '../../../build/index.js';
import { http1 } from '../replay.mjs';
import { SECRET } from '../workloads.mjs';

export const title = 'Erlang peer';

export function isMissing() {
  const found = spawnSync('escript', ['-h'], { stdio: 'ignore' });
  return found.error === undefined ? undefined : 'Erlang is not installed';
}

export async function serveOutside() {
  const script = fileURLToPath(new URL('../../../__test__/interop/peer.escript', import.meta.url));
  const options = ['--compression-threshold', 'infinity', '--max-keepalive', '1000000000'];
  const peer = spawn('escript', [script, 'server', ...options], {
    env: { ...process.env, BACKWATER_SECRET: SECRET },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface(peer.stdout)[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) throw new Error('the Erlang peer did not start');
  return { port: JSON.parse(first.value).port, pid: peer.pid, close: () => peer.stdin.end() };
}

export function request({ value }, port) {
  const target = { url: `http://127.0.0.1:${port}`, secret: SECRET };
  const { method, headers, body } = encodeRequest(target, 'peer', 'echo', [value], {
    compressionThreshold: Infinity,
    acceptEncoding: 'gzip',
  });
  return http1(method, '/backwater/1/peer/echo/1', headers, body);
}

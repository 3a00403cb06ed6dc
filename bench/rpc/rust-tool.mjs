// The Rust example in crates/transport/examples/peer.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { JsonProcess } from './json-process.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));

export function buildTool() {
  const args = ['build', '--release', '--locked', '-p', 'backwater-transport', '--example', 'peer'];
  const { status } = spawnSync('cargo', args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error('the Rust peer could not be built');
}

export function startTool(command) {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const role = command === 'load' ? 'generator' : 'other';
  return new JsonProcess(`${root}target/release/examples/peer${suffix}`, [command], {}, role);
}

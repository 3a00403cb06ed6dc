// npm compiles erlpack when it installs it, which not every machine can.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const require = createRequire(import.meta.url);

export function installErlpack() {
  if (loadErlpack() !== undefined) return;
  console.error('installing erlpack for comparison …');
  const args = ['install', '--no-package-lock', '--no-audit', '--no-fund', '--silent'];
  spawnSync('npm', args, { cwd: folder, stdio: 'ignore', timeout: 300_000 });
}

export function loadErlpack() {
  try {
    return require('erlpack');
  } catch {
    return undefined;
  }
}

// npm compiles erlpack during its installation, and not every machine has what that takes.
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

/** Undefined if this machine could not compile it. */
export function loadErlpack() {
  try {
    return require('erlpack');
  } catch {
    return undefined;
  }
}

// erlpack, and a fork of it that is kept up: npm compiles them during installation, and not every machine
// has what it takes.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const require = createRequire(import.meta.url);
const names = ['erlpack', '@yukikaze-bot/erlpack'];

/** Installs missing peers once; {@link loadErlpacks} leaves out the ones that failed. */
export function installErlpacks() {
  if (names.every((name) => load(name) !== undefined)) return;
  console.error('installing erlpack and a fork of it for comparison …');
  const args = ['install', '--no-package-lock', '--no-audit', '--no-fund', '--silent'];
  spawnSync('npm', args, { cwd: folder, stdio: 'ignore', timeout: 300_000 });
}

/** The peers that this machine has, by name. */
export function loadErlpacks() {
  const found = names.map((name) => [name, load(name)]);
  return Object.fromEntries(found.filter(([, codec]) => codec !== undefined));
}

function load(name) {
  try {
    return require(name);
  } catch {
    return undefined;
  }
}

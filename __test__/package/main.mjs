// `npm run test:package [-- NAME …]`: installs what the tests need, packs the packages, and runs
// the tests whose file names contain a NAME.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packInto } from './tarballs.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const folders = process.platform === 'win32' ? [here] : [here, join(here, 'hosts')];

for (const folder of folders) install(folder);
const tarballs = mkdtempSync(join(tmpdir(), 'backwater-tarballs-'));
try {
  packInto(tarballs);
  process.exitCode = run(process.execPath, ['--test', '--test-reporter', 'spec', ...files()]);
} finally {
  rmSync(tarballs, { recursive: true, force: true });
}

function install(folder) {
  const stamp = join(folder, 'node_modules/.installed');
  const lock = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  const options = ['--no-audit', '--no-fund', '--loglevel', 'error', '--ignore-scripts'];
  // With `npm ci`, npm 11 refuses lock files without optional packages that need a newer Node.
  if (run('npm', ['install', '--no-save', ...options], folder) !== 0)
    throw new Error(`npm install failed in ${folder}`);
  writeFileSync(stamp, lock);
}

function files() {
  const names = process.argv.slice(2);
  return folders
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
    .filter((file) => file.endsWith('.test.mjs'))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)));
}

function run(command, args, cwd = here) {
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    shell: process.platform === 'win32' && command === 'npm',
  });
  if (error) throw error;
  return status ?? 1;
}

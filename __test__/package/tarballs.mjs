// `npm run test:package` packs the packages once for all its tests.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export function packInto(folder) {
  run(process.execPath, join(root, 'scripts/package/main.mjs'), '--host', '--out', folder);
  process.env.BACKWATER_TARBALLS = folder;
}

export function tarballs() {
  const folder = process.env.BACKWATER_TARBALLS;
  if (folder === undefined) throw new Error('these tests are run by `npm run test:package`');
  return folder;
}

export function unpack(tarball, folder) {
  mkdirSync(folder, { recursive: true });
  run('tar', '-xzf', tarball, '-C', folder, '--strip-components', '1');
}

function run(command, ...args) {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} failed: ${stderr}`);
}

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { projectRoot } from '../support/root.js';

const child = fileURLToPath(new URL('./copies-child.js', import.meta.url));

async function install(folder: string): Promise<void> {
  const root = projectRoot();
  const to = join(folder, 'node_modules', 'backwater');
  const addons = (await readdir(root)).filter((name) => name.endsWith('.node'));
  const names = ['package.json', 'build', 'native.cjs', ...addons];
  await Promise.all(names.map((name) => cp(join(root, name), join(to, name), { recursive: true })));
  await writeFile(join(folder, 'entry.mjs'), "export * from 'backwater';\n");
  await writeFile(join(folder, 'entry.cjs'), "module.exports = require('backwater');\n");
}

test("two copies of the package in one process recognize each other's values", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'backwater-copies-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const copies = [join(folder, 'one'), join(folder, 'two')];
  await Promise.all(copies.map(install));
  const { stdout } = await promisify(execFile)(process.execPath, [child, ...copies], {
    timeout: 120_000,
  });
  t.is(stdout, 'done\n');
});

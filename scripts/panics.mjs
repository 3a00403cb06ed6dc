// `npm run panics`: a panic at any layer of the addon must fail one call only.
// crates/transport/tests/panics.rs tries the layers below.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'target/panics');
const tree = join(folder, 'tree');
const library = { darwin: 'libbackwater_node.dylib', win32: 'backwater_node.dll' };
const addon = library[process.platform] ?? 'libbackwater_node.so';

const features = ['--features', 'fault-injection'];
run('cargo', ['build', '--locked', ...features]);
run('npm', ['run', '--silent', 'build:ts']);

rmSync(tree, { recursive: true, force: true });
mkdirSync(tree, { recursive: true });
for (const name of ['build', 'native.cjs', 'package.json', 'scripts']) {
  cpSync(join(root, name), join(tree, name), { recursive: true });
}
cpSync(join(root, 'target/debug', addon), join(tree, 'backwater.node'));
run('node', [join(tree, 'scripts/panics/check.mjs')]);

function run(command, args) {
  const env = { ...process.env, RUST_BACKTRACE: '0' };
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { checkAddon, symbolsOfMusl } from './check.mjs';
import { addonOf } from './targets.mjs';

/** Compatible versions of Python packages. */
const TOOLS = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.1'];

export function build(root, target) {
  const tools = zig(root);
  const environment = { ...process.env, PATH: `${tools}${delimiter}${process.env.PATH}` };
  if (target.rustflags !== undefined) environment.RUSTFLAGS = target.rustflags;
  run(root, 'rustup', ['target', 'add', target.triple], process.env, 'ignore');
  run(root, 'cargo', ['zigbuild', '--release', '--locked', '--target', target.zig], environment);
  const folder = join(root, 'target', target.triple, 'release');
  const library = ['libbackwater_node.so', 'libbackwater_node.dylib', 'backwater_node.dll']
    .map((name) => join(folder, name))
    .find((path) => existsSync(path));
  if (library === undefined) throw new Error(`cargo left no library in ${folder}`);
  const addon = join(root, 'npm', target.name, addonOf(target));
  copyFileSync(library, addon);
  if (target.name.startsWith('linux-')) {
    checkAddon(readFileSync(addon), target, symbolsOfMusl(join(tools, '..')));
  }
}

/** The folder of cargo-zigbuild and zig, installed if missing. */
export function zig(root) {
  const folder = join(root, 'target', 'zig', 'bin');
  if (existsSync(join(folder, 'cargo-zigbuild'))) return folder;
  run(root, 'python3', ['-m', 'venv', join(root, 'target', 'zig')]);
  run(root, join(folder, 'pip'), ['install', '--quiet', ...TOOLS]);
  return folder;
}

function run(root, command, args, env = process.env, stdout = 2) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', stdout, 2],
  });
  if (error) throw new Error(`${command} could not be started: ${error.message}`);
  if (status !== 0) throw new Error(`\`${command} ${args.join(' ')}\` failed, see above`);
}

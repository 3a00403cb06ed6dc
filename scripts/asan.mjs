// `npm run asan`: the TypeScript tests with an addon that AddressSanitizer watches. Linux with gcc and a
// nightly Rust. The tests run in a copy of the project, so that no build of it is replaced.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'target/asan');
const tree = join(folder, 'tree');
const triple = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-gnu`;
const addon = `backwater.linux-${process.arch}-gnu.node`;

run(
  'cargo',
  [
    '+nightly',
    'build',
    '--profile',
    'quick',
    '--locked',
    '--features',
    'system-allocator',
    '--target',
    triple,
    '--target-dir',
    folder,
  ],
  { RUSTFLAGS: '-Zsanitizer=address -Cforce-frame-pointers=yes' },
);
run('npx', ['tsc', '-p', 'tsconfig.build.json']);
run('npx', ['tsc', '-p', 'tsconfig.test.json']);

rmSync(tree, { recursive: true, force: true });
mkdirSync(tree, { recursive: true });
const leftOut = ['node_modules', 'target', '.git', 'dist', 'npm', 'crates'];
for (const name of readdirSync(root)) {
  if (!leftOut.includes(name) && !name.endsWith('.node'))
    cpSync(join(root, name), join(tree, name), { recursive: true });
}
symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
cpSync(join(folder, triple, 'quick/libbackwater_node.so'), join(tree, addon));

// The runtime comes with gcc, since a shared library brings none of its own. Node's own memory is not
// looked at for leaks: V8 frees none of it at the end.
const libraries = ['libasan.so', 'libstdc++.so.6'].map((name) => {
  const { stdout } = spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' });
  return stdout.trim();
});
const report = join(folder, 'report');
for (const file of reports()) rmSync(file);
const tests = process.argv.slice(2);
run(
  'npx',
  ['ava', '--serial', '--timeout', '10m', ...tests],
  {
    LD_PRELOAD: libraries.join(' '),
    ASAN_OPTIONS: `detect_leaks=0:handle_segv=0:log_path=${report}`,
  },
  tree,
);

const found = reports();
for (const file of found) console.error(readFileSync(file, 'utf8'));
if (found.length > 0) process.exit(1);
console.log('AddressSanitizer found nothing.');

function reports() {
  return readdirSync(folder)
    .filter((name) => name.startsWith('report.'))
    .map((name) => join(folder, name));
}

function run(command, args, env = {}, cwd = root) {
  const { status, error } = spawnSync(command, args, {
    cwd,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (status !== 0 && cwd === root) process.exit(1);
  if (status !== 0) {
    for (const file of reports()) console.error(readFileSync(file, 'utf8'));
    process.exit(1);
  }
}

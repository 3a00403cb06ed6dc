// `npm run asan`: the TypeScript tests with AddressSanitizer in a copy of the project, one file
// after another. Needs Linux, gcc and a nightly Rust.
//
//   npm run asan -- rpc tls     runs two files
//   npm run asan -- --resume    continues the latest run
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** First, because they share memory between two sides. */
const FIRST = [
  'workers',
  'lives',
  'life',
  'rpc',
  'every-offset',
  'tls',
  'drain',
  'faults',
  'scarce',
  'terms',
  'objects',
  'properties',
  'sizes',
  'memory-in-flight',
  'hooks',
  'context',
  'limits',
];

const SERIAL = ['cli', 'tls'];

const LEFT_OUT = {
  memory: 'it measures the memory of the process, which AddressSanitizer multiplies',
  peak: 'it measures the memory of the process, which AddressSanitizer multiplies',
  fleet:
    'it replaces servers as fast as they start, which is then too slow for the checks of a balancer',
  types: 'it runs the compiler of TypeScript, not the addon',
  'errors-page': 'it reads documents',
  'evidence-page': 'it reads documents',
};

/** Programs that run without the sanitizer. */
const FOREIGN = ['dnsmasq', 'haproxy', 'openssl', 'ip', 'erl', 'escript', 'elixir'];

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'target/asan');
const tree = join(folder, 'tree');
const record = join(folder, 'record.json');
const report = join(folder, 'report');
const triple = `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-unknown-linux-gnu`;

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const resumes = process.argv.includes('--resume') && existsSync(record);
if (!resumes) {
  build();
  copy();
  save({ commit: commit(), files: {} });
}
const environment = watched();
checkThatFaultsAreFound();
const { commit: tested, files: done } = JSON.parse(readFileSync(record, 'utf8'));
for (const name of selected()) {
  if (done[name]?.ok) continue;
  done[name] = runFile(name);
  save({ commit: tested, files: done });
}
conclude();

function build() {
  const command = '+nightly build --profile quick --locked';
  const flags = '-Zsanitizer=address -Cforce-frame-pointers=yes';
  run('cargo', [...command.split(' '), '--target', triple, '--target-dir', folder], {
    RUSTFLAGS: flags,
  });
  run('npm', ['run', '--silent', 'build:ts']);
  run('npx', ['tsc', '-p', 'tsconfig.test.json']);
  const canary = join(root, 'scripts/asan/canary.rs');
  const options = '--edition 2024 --crate-type cdylib -Zsanitizer=address';
  run('rustc', ['+nightly', ...options.split(' '), canary, '-o', join(folder, 'canary.so')]);
}

function copy() {
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  const leftOut = ['node_modules', 'target', '.git', 'dist', 'npm', 'crates'];
  for (const name of readdirSync(root)) {
    if (!leftOut.includes(name) && name !== 'backwater.node')
      cpSync(join(root, name), join(tree, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  cpSync(join(folder, triple, 'quick/libbackwater_node.so'), join(tree, 'backwater.node'));
}

function unwatched() {
  const wrappers = join(folder, 'bin');
  mkdirSync(wrappers, { recursive: true });
  const others = `${process.env['PATH']}:/usr/sbin`;
  for (const program of FOREIGN) {
    const text = `#!/bin/sh\nPATH='${others}' exec env -u LD_PRELOAD ${program} "$@"\n`;
    writeFileSync(join(wrappers, program), text, { mode: 0o755 });
  }
  return wrappers;
}

function watched() {
  // A shared library brings no runtime, so gcc's is used. V8 never frees its own memory, so leaks
  // do not count.
  const libraries = ['libasan.so', 'libstdc++.so.6'].map((name) => {
    const { stdout } = spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' });
    return stdout.trim();
  });
  return {
    ...process.env,
    PATH: `${unwatched()}:${process.env['PATH']}`,
    LD_PRELOAD: libraries.join(' '),
    ASAN_OPTIONS: `detect_leaks=0:handle_segv=0:log_path=${report}`,
  };
}

function checkThatFaultsAreFound() {
  removeReports();
  const program = `process.dlopen({ exports: {} }, ${JSON.stringify(join(folder, 'canary.so'))})`;
  spawnSync(process.execPath, ['-e', program], { env: environment });
  const found = reports().some((file) => readFileSync(file, 'utf8').includes('use-after-free'));
  removeReports();
  if (!found) fail('AddressSanitizer does not see a read of freed memory: it watches nothing.');
}

function selected() {
  if (names.length > 0) return names;
  const all = readdirSync(join(tree, 'build-test/__test__'))
    .filter((file) => file.endsWith('.test.js'))
    .map((file) => file.slice(0, -'.test.js'.length));
  const first = FIRST.filter((name) => all.includes(name));
  const others = all.filter((name) => !first.includes(name) && !(name in LEFT_OUT));
  return [...first, ...others.sort()];
}

function runFile(name) {
  const started = Date.now();
  const file = `build-test/__test__/${name}.test.js`;
  const order = SERIAL.includes(name) ? ['--serial'] : ['--concurrency', '1'];
  const { status, stdout, stderr } = spawnSync(
    'npx',
    ['ava', '--tap', ...order, '--timeout', '10m', file],
    { cwd: tree, env: environment, encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  const tests = (stdout.match(/^ok /gm) ?? []).length;
  const minutes = (Date.now() - started) / 60_000;
  const texts = reports().map((path) => readFileSync(path, 'utf8'));
  const ok = status === 0 && texts.length === 0;
  if (!ok) console.error(stdout, stderr, ...texts);
  removeReports();
  const outcome = ok ? 'ok' : `FAILED, ${texts.length} reports`;
  console.log(`asan: ${name}: ${tests} tests, ${minutes.toFixed(1)} minutes, ${outcome}`);
  return { ok, tests, minutes, reports: texts.length };
}

function conclude() {
  const results = selected().map((name) => done[name]);
  const sum = (key) => results.reduce((total, each) => total + each[key], 0);
  for (const [name, reason] of Object.entries(LEFT_OUT)) {
    if (names.length === 0) console.log(`asan: ${name}: left out, since ${reason}`);
  }
  console.log(
    `asan: commit ${tested}, ${results.length} files, ${sum('tests')} tests, ` +
      `${Math.round(sum('minutes'))} minutes, ${sum('reports')} reports`,
  );
  const failed = selected().filter((name) => !done[name].ok);
  if (failed.length > 0) fail(`Failed: ${failed.join(', ')}. \`--resume\` runs these again.`);
  console.log('AddressSanitizer found nothing.');
}

function reports() {
  return readdirSync(folder)
    .filter((name) => name.startsWith('report.'))
    .map((name) => join(folder, name));
}

function removeReports() {
  for (const file of reports()) rmSync(file);
}

function commit() {
  const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.trim();
  const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : ', changed';
  return git('rev-parse', '--short', 'HEAD') + changed;
}

function save(value) {
  writeFileSync(record, JSON.stringify(value, undefined, 2));
}

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (status !== 0) process.exit(1);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

// Installs what is missing and builds what is out of date.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamps = join(root, 'node_modules', '.backwater-setup');
const OLDEST_NODE = 20;
const ADDON = 'backwater.node';

main();

function main() {
  const version = process.versions.node;
  if (Number(version.split('.')[0]) < OLDEST_NODE) {
    fail(`Node ${OLDEST_NODE} or newer is needed; this is Node ${version}.`);
  }
  step('dependencies', ['package.json', 'package-lock.json'], ['node_modules/typescript'], () =>
    // With `npm ci`, npm 11 refuses optional packages that this Node is too old for.
    run('npm', ['install', '--no-audit', '--no-fund']),
  );
  if (process.env.BACKWATER_PREBUILT) requireAddon();
  else buildAddon();
  const typescript = [
    'src',
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'native.d.cts',
    'scripts/facades.mjs',
  ];
  step('TypeScript', typescript, ['build/index.mjs'], () =>
    run('npm', ['run', '--silent', 'build:ts']),
  );
}

function buildAddon() {
  const rust = ['Cargo.toml', 'Cargo.lock', 'build.rs', 'crates'];
  step('addon', rust, [ADDON, 'native.d.cts'], () => {
    requireRust();
    run('npm', ['run', '--silent', 'build:native']);
  });
}

/** Skips `action` if outputs exist and inputs have the same content. */
function step(name, inputs, outputs, action) {
  const stamp = join(stamps, name);
  const hash = createHash('sha256').update(`${process.platform}-${process.arch}`);
  for (const input of inputs) hashTree(join(root, input), hash);
  const digest = hash.digest('hex');
  const done =
    outputs.every((output) => existsSync(join(root, output))) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === digest;
  if (done) return;
  console.error(`setup: ${name} …`);
  const start = Date.now();
  action();
  mkdirSync(stamps, { recursive: true });
  // The build changes lock files.
  const after = createHash('sha256').update(`${process.platform}-${process.arch}`);
  for (const input of inputs) hashTree(join(root, input), after);
  writeFileSync(stamp, after.digest('hex'));
  console.error(`setup: ${name} done in ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

function hashTree(path, hash) {
  if (!existsSync(path)) return;
  if (statSync(path).isDirectory()) {
    for (const entry of readdirSync(path).sort()) {
      if (entry !== 'target' && entry !== 'fuzz') hashTree(join(path, entry), hash);
    }
  } else {
    hash.update(path.slice(root.length)).update(readFileSync(path));
  }
}

function requireAddon() {
  if (!existsSync(join(root, ADDON))) {
    fail(`BACKWATER_PREBUILT is set, but ${ADDON} is missing.`);
  }
}

function requireRust() {
  const found = spawnSync('cargo', ['--version'], { stdio: 'ignore' });
  if (found.error || found.status !== 0) {
    fail('Rust is missing: install it from https://rustup.rs (1.88 or newer) and run this again.');
  }
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (error) fail(`${command} could not be started: ${error.message}`);
  if (status !== 0) fail(`\`${command} ${args.join(' ')}\` failed, see above.`);
}

function fail(sentence) {
  console.error(`setup: ${sentence}`);
  process.exit(1);
}

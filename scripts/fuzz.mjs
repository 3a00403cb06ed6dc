// Runs the fuzz targets (docs/fuzzing.md): npm run fuzz -- [--seconds 600] [--jobs 1] [target…]
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const fuzz = join(root, 'crates', 'fuzz');
/** In bytes. Longer inputs are slow, and seldom new. */
const LONGEST_INPUT = 8192;

await main();

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '600' },
      jobs: { type: 'string', default: '1' },
      // Fail instead of installing cargo-fuzz and nightly.
      'no-install': { type: 'boolean', default: false },
    },
  });
  const seconds = wholeNumber('seconds', values.seconds);
  const jobs = wholeNumber('jobs', values.jobs);
  const all = targets();
  for (const target of positionals) {
    if (!all.includes(target))
      fail(`unknown target '${target}'; the targets are ${all.join(', ')}`);
  }
  requireTools(!values['no-install']);
  run('cargo', ['+nightly', 'fuzz', 'build', '--fuzz-dir', fuzz]);
  const queue = positionals.length > 0 ? positionals : all;
  const results = await runAll([...queue], jobs, seconds, folderOfBinaries());
  for (const line of results) console.log(line.text);
  if (results.some(({ failed }) => failed)) process.exit(1);
}

function targets() {
  return readdirSync(join(fuzz, 'fuzz_targets'))
    .filter((file) => file.endsWith('.rs'))
    .map((file) => file.slice(0, -3))
    .sort();
}

function requireTools(install) {
  if (!works('cargo', ['+nightly', '--version'])) {
    if (!install) fail('a nightly Rust is missing: rustup toolchain install nightly');
    run('rustup', ['toolchain', 'install', 'nightly', '--profile', 'minimal']);
  }
  if (!works('cargo', ['fuzz', '--version'])) {
    if (!install) fail('cargo-fuzz is missing: cargo install cargo-fuzz --locked');
    run('cargo', ['install', 'cargo-fuzz', '--locked']);
  }
}

function folderOfBinaries() {
  const { stdout } = spawnSync('rustc', ['+nightly', '-vV'], { encoding: 'utf8' });
  const host = /^host: (.*)$/m.exec(stdout)?.[1];
  if (host === undefined) fail('rustc does not say which machine it is for');
  return join(fuzz, 'target', host, 'release');
}

async function runAll(queue, jobs, seconds, binaries) {
  const results = [];
  const worker = async () => {
    for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
      console.error(`fuzz: ${target} for ${seconds} s …`);
      results.push(await runTarget(target, seconds, binaries));
      console.error(results.at(-1).text);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return results;
}

/** Its own corpus grows; the seeds stay. */
function runTarget(target, seconds, binaries) {
  const [corpus, artifacts] = ['corpus', 'artifacts'].map((name) => join(fuzz, name, target));
  mkdirSync(corpus, { recursive: true });
  mkdirSync(artifacts, { recursive: true });
  const limits = [`-max_total_time=${seconds}`, `-max_len=${LONGEST_INPUT}`, '-timeout=20'];
  const args = [`-artifact_prefix=${artifacts}/`, ...limits, corpus, join(fuzz, 'seeds', target)];
  const start = Date.now();
  // `cargo fuzz run` would compile recent changes.
  const stdio = ['ignore', 'ignore', 'pipe'];
  const child = spawn(join(binaries, target), args, { cwd: root, stdio });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    // A run prints for hours.
    output = (output + text).slice(-64 * 1024);
  });
  return new Promise((resolve) => {
    child.on('error', (error) => {
      resolve({ failed: true, text: `${target}: could not be started: ${error.message}` });
    });
    child.on('close', (code) => resolve(summary(target, code, output, Date.now() - start)));
  });
}

function summary(target, code, output, milliseconds) {
  const last = (pattern) => output.match(new RegExp(pattern, 'g'))?.at(-1);
  const number = (text) => text?.match(/\d+/)?.[0] ?? '?';
  const runs = number(last(/Done \d+ runs/) ?? last(/#\d+/));
  const figures = `${runs} runs in ${Math.round(milliseconds / 1000)} s, coverage ${number(last(/cov: \d+/))} edges, ${number(last(/ft: \d+/))} features`;
  const failed = code !== 0;
  const panic = last('panicked at .*\\n.*') ?? '';
  const findings = failed ? `a FINDING ${panic}\n${output.slice(-4000)}` : 'no finding';
  return { failed, text: `${target}: ${figures}, ${findings}` };
}

function wholeNumber(name, text) {
  if (!/^[1-9]\d*$/.test(text)) fail(`--${name} takes a whole number from 1 on, not '${text}'`);
  return Number(text);
}

function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (error) fail(`${command} could not be started: ${error.message}`);
  if (status !== 0) fail(`\`${command} ${args.join(' ')}\` failed, see above.`);
}

function fail(sentence) {
  console.error(`fuzz: ${sentence}`);
  process.exit(1);
}

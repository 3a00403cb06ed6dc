import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tarballs, unpack } from '../tarballs.mjs';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tools = fileURLToPath(new URL('node_modules', import.meta.url));
const runtimes = fileURLToPath(new URL('../node_modules', import.meta.url));
const bun = join(runtimes, '@oven/bun-linux-x64/bin');
const folder = mkdtempSync(join(tmpdir(), 'backwater-hosts-'));
const installed = join(folder, 'installed');
let count = 0;

for (const tarball of readdirSync(tarballs())) {
  unpack(join(tarballs(), tarball), join(installed, tarball.replace(/-\d[^-]*\.tgz$/, '')));
}
after(() => rmSync(folder, { recursive: true, force: true }));

export function application(files, { links = [] } = {}) {
  const application = join(folder, `${++count}`);
  mkdirSync(application);
  deploy(application);
  for (const name of ['.bin', ...links]) {
    const link = join(application, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(tools, name), link, 'junction');
  }
  write(application, { 'package.json': '{ "type": "module" }\n', ...files });
  return application;
}

export function moved(built, { alone = false } = {}) {
  const target = join(folder, `${++count}`);
  mkdirSync(target);
  cpSync(built, target, { recursive: true });
  rmSync(built, { recursive: true });
  if (!alone) deploy(target);
  return target;
}

export function write(application, files) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(application, name), text);
}

function deploy(application) {
  cpSync(installed, join(application, 'node_modules'), { recursive: true });
}

export function run(cwd, command, ...args) {
  const path = [dirname(process.execPath), bun, process.env.PATH];
  const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _test, NODE_ENV: _env, ...rest } = process.env;
  const child = spawn(command, args, {
    cwd,
    env: { ...rest, PATH: path.join(delimiter), NO_COLOR: '1', CI: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 240_000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status: status ?? signal, output }));
  });
}

export const hasBun = existsSync(join(bun, 'bun'));
export const tool = (path) => join(tools, path);
export const node = (version) => join(runtimes, `node-${version}`, 'bin/node');

/**
 * The `sh` blocks of a section as `commands`, and its `js` blocks with a name (`file=shop.js`, or a
 * paragraph such as `shop.js`: …) as `files`. Without a heading, the blocks above all sections.
 */
export function section(page, heading) {
  const text = readFileSync(join(root, 'docs', page), 'utf8');
  const start = heading === undefined ? 0 : text.indexOf(`\n## ${heading}\n`);
  if (start < 0) throw new Error(`${page} has no section ${heading}`);
  const end = text.indexOf('\n## ', start + 1);
  const body = text.slice(start, end < 0 ? undefined : end);
  const commands = Array.from(body.matchAll(/^```sh\n([^]*?)^```/gm), ([, block]) => block);
  const files = {};
  for (const [, paragraph, file = paragraph, block] of body.matchAll(FILE)) {
    if (file !== undefined) files[file] = block;
  }
  return { commands, files };
}

const FILE =
  /^(?:`([\w.-]+)`:[^`]*\n\n)?```js(?: unchecked| run)?(?: file=([\w.-]+))?\n([^]*?)^```/gm;

// `npm run docs`: the site, and the documentation of the crates.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const here = fileURLToPath(new URL('.', import.meta.url));

if (!existsSync(join(here, 'node_modules/puppeteer-core'))) {
  run(here, 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel', 'error']);
}
run(here, process.execPath, ['pictures.mjs']);
run(here, process.execPath, ['node_modules/typedoc/bin/typedoc', '--logLevel', 'Warn']);
run(
  root,
  'cargo',
  ['doc', '--workspace', '--exclude', 'backwater-node', '--no-deps', '--locked', '--quiet'],
  {
    RUSTDOCFLAGS: '-D warnings',
  },
);

const dead = pages().flatMap(deadLinks);
for (const link of dead) console.error(`dead link: ${link}`);
if (dead.length > 0) process.exit(1);
run(root, process.execPath, [join(here, 'check.mjs'), 'docs/site']);
console.log('Site: docs/site/index.html');
console.log('Crates: target/doc/backwater_transport/index.html');

function run(cwd, command, args, env = {}) {
  const options = { cwd, stdio: 'inherit', env: { ...process.env, ...env } };
  const { status, error } = spawnSync(command, args, {
    ...options,
    shell: process.platform === 'win32' && command === 'npm',
  });
  if (error) throw error;
  if (status !== 0) process.exit(1);
}

function pages() {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'];
  const { stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return stdout.split('\n').filter((path) => path !== '');
}

function deadLinks(page) {
  const text = readFileSync(join(root, page), 'utf8');
  return Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ([, link]) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => !leads(page, link))
    .map((link) => `${page}: ${link}`);
}

function leads(page, link) {
  const [path, anchor] = link.split('#');
  const target = path === '' ? join(root, page) : join(root, dirname(page), path);
  if (relative(root, target).startsWith('..') || !existsSync(target)) return false;
  if (anchor === undefined) return true;
  const headings = readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm);
  return Array.from(headings, ([, heading]) => slug(heading)).includes(anchor);
}

function slug(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

// `npm run docs`: the Rust API documentation, and a check of every relative link in the pages.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const { status } = spawnSync('cargo', ['doc', '--workspace', '--no-deps', '--locked'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);

const dead = pages().flatMap(deadLinks);
for (const link of dead) console.error(`dead link: ${link}`);
if (dead.length > 0) process.exit(1);
console.log('Rust API documentation: target/doc/backwater_transport/index.html; no dead link.');

/** All Markdown files that git knows or would add. */
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

/** A heading as GitHub's anchors have it. */
function slug(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

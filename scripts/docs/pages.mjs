// A TypeDoc plugin: sections of docs/README.md become groups, and links to files lead to GitHub.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const docs = join(root, 'docs');
const { homepage } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const repository = homepage.replace(/#.*$/, '');
const GROUPS = { 'docs/decisions': 'Decisions', 'docs/benchmarks': 'Benchmarks' };

export function load(app) {
  const pages = new Map(pagesOfProject().map((path) => [headingOf(read(path)), path]));
  const groups = groupsOfIndex();
  app.converter.on('createDocument', (_context, page) => {
    const heading = headingOf(page.content.map(({ text }) => text).join(''));
    const path = pages.get(heading);
    page.name = heading.slice(2).replaceAll('`', '');
    page.frontmatter.group = groups.get(path) ?? GROUPS[dirname(path)] ?? 'Project';
    page.content = linkToGitHub(page.content, dirname(path));
  });
  app.converter.on('resolveBegin', ({ project }) => {
    project.readme = linkToGitHub(project.readme, '.');
  });
}

function read(path) {
  return readFileSync(join(root, path), 'utf8');
}

function headingOf(text) {
  return /^# .*$/m.exec(text)?.[0];
}

function pagesOfProject() {
  const files = readdirSync(docs, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .map((path) => path.replaceAll('\\', '/'));
  return [...files, 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'];
}

function groupsOfIndex() {
  const groups = new Map();
  if (!existsSync(join(docs, 'README.md'))) return groups;
  for (const section of read('docs/README.md').split(/^## /m).slice(1)) {
    const [title] = section.split('\n', 1);
    for (const [, link] of section.matchAll(/\]\(([^)#:]+\.md)/g)) {
      const path = posix.join('docs', link);
      if (!groups.has(path)) groups.set(path, title);
    }
  }
  return groups;
}

function linkToGitHub(content, folder) {
  return content.map((part) => {
    if (part.kind !== 'relative-link' || /\.(md|svg|png)$/.test(part.text.replace(/#.*$/, ''))) {
      return part;
    }
    return { kind: 'text', text: `${repository}/blob/main/${posix.join(folder, part.text)}` };
  });
}

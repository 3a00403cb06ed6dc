import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import prettier from 'prettier';

const root = new URL('../', import.meta.url);
const pages = new URL('docs/benchmarks/', root);
/** Pages that quote sections, each between two comments. */
export const QUOTING = ['README.md', 'docs/performance.md'];
export const QUOTE = /(<!-- from (\S+\.md), "([^"]+)" -->)([^]*?)(<!-- end -->)/g;

/** Prints a page, and writes it after a whole run. */
export async function publish(name, text, charts, isWhole) {
  console.log(`\n${text}`);
  if (!isWhole) return;
  writeFileSync(new URL(`${name}.md`, pages), text);
  for (const [file, svg] of Object.entries(charts)) writeFileSync(new URL(file, pages), svg);
  await repeatSections();
}

export async function repeatSections() {
  for (const page of QUOTING) {
    const file = fileURLToPath(new URL(page, root));
    const text = readFileSync(file, 'utf8').replaceAll(
      QUOTE,
      (_all, head, source, title, _old, end) =>
        `${head}\n\n${quoteFor(page, source, title)}\n\n${end}`,
    );
    const options = await prettier.resolveConfig(file);
    writeFileSync(file, await prettier.format(text, { ...options, filepath: file }));
  }
}

/** The section without its title, with links that work in `page`. */
export function quoteFor(page, source, title) {
  const text = readFileSync(new URL(source, root), 'utf8');
  const start = text.indexOf(`\n## ${title}\n`);
  if (start < 0) throw new Error(`${source} has no section "${title}"`);
  const rest = text.slice(start + title.length + 5);
  const end = rest.search(/^## /m);
  const section = (end < 0 ? rest : rest.slice(0, end)).trim();
  return section.replaceAll(/\]\((\.[^)]+)\)/g, (_all, link) => {
    const target = posix.join(posix.dirname(source), link);
    return `](${posix.relative(posix.dirname(page), target)})`;
  });
}

export function runProgram(file, args, nodeArguments = []) {
  const all = [...nodeArguments, fileURLToPath(file), ...args.map(String)];
  const { stdout, status, signal } = spawnSync(process.execPath, all, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`the process ended with ${status ?? signal}`);
  return JSON.parse(stdout);
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { root } from './support/vectors.js';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const page = read('docs/architecture.md');

function section(title: string): string {
  return page.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!;
}

function firstCells(title: string): string[] {
  return [...section(title).matchAll(/^\| (.+?) +\|/gm)]
    .map(([, cell]) => cell!)
    .filter((cell) => !/^(-+|layer)$/.test(cell));
}

test("the list of a call's files is short, without missing or repeated files", (t) => {
  for (const [title, most] of [
    ['A client call', 35],
    ['A served call', 35],
  ] as const) {
    const files = Array.from(section(title).matchAll(/^\d+\. `(.+?)`/gm), ([, file]) => file!);
    t.true(files.length > 20 && files.length <= most, `${title}: ${files.length}`);
    t.is(new Set(files).size, files.length, title);
    for (const file of files) t.true(existsSync(join(root, file)), file);
  }
});

test('pages for developers name only existing files', (t) => {
  for (const path of ['docs/architecture.md', 'docs/extending.md', 'CONTRIBUTING.md']) {
    const files = read(path).matchAll(
      /(?:^|[`\s])((?:src|crates|scripts|__test__|docs)\/[\w./-]+\w)/gm,
    );
    for (const [, file] of files) t.true(existsSync(join(root, file!)), `${path}: ${file}`);
  }
});

test('the page lists the layers in the order that lint checks', (t) => {
  const layers = firstCells('Layers of src').map((cell) => cell.replaceAll('`', ''));
  const order = /const LAYERS = \[(.*?)\];/s.exec(read('scripts/layers.mjs'))![1]!;
  t.deepEqual(
    layers,
    Array.from(order.matchAll(/'([\w ]+)'/g), ([, layer]) => layer!),
  );
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true });
  for (const entry of folders)
    if (entry.isDirectory()) t.true(layers.includes(entry.name), entry.name);
});

test('every decision states its context and choice in at most 50 lines', (t) => {
  const index = read('docs/decisions/README.md');
  for (const name of readdirSync(join(root, 'docs/decisions'))) {
    if (name === 'README.md') continue;
    const text = read(`docs/decisions/${name}`);
    t.true(index.includes(`(${name})`), name);
    t.regex(text, /^\*\*Context\.\*\*/m, name);
    t.regex(text, /^\*\*(Choice|Options and choice)\.\*\*/m, name);
    t.true(text.split('\n').length <= 50, name);
  }
});

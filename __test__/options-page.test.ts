import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { clientOptions } from '../src/client/options.js';
import { closeOptions, serverOptions } from '../src/server/options.js';
import { root } from './support/vectors.js';

interface Generator {
  optionsPage(root?: string): Promise<string>;
  documented(value: unknown): string | undefined;
}

let generator: Generator;

test.before(async () => {
  generator = (await import(join(root, 'scripts/options.mjs'))) as Generator;
});

const read = (path: string): string => readFileSync(join(root, path), 'utf8');

test('docs/options.md is up to date', async (t) => {
  t.is(read('docs/options.md'), await generator.optionsPage());
});

test('the declarations document the check and default of each option', (t) => {
  const options = read('build/client/options.d.ts');
  t.regex(
    options,
    /How often an idempotent call[^/]*Takes an integer from 0 to 100\.[^/]*@defaultValue 2\s+\*\/\s+readonly maxRetries\?: number \| undefined;/,
  );
  for (const name of ['client', 'server', 'http', 'codec']) {
    const text = read(`build/${name}/options.d.ts`);
    t.notRegex(text, /interface \w+ extends .*OptionsOf/, name);
    for (const [, body] of text.matchAll(/interface \w+Options\b[^{]*\{\n(.*?)^\}/gms)) {
      const properties = body!.match(/^ {4}readonly \w+/gm) ?? [];
      t.is(body!.match(/\*\/\n {4}readonly \w+/g)?.length ?? 0, properties.length, name);
    }
  }
});

function forms(value: unknown): (string | undefined)[] {
  const written = [generator.documented(value)];
  if (typeof value !== 'number') return written;
  for (const [unit, size] of [
    ['KiB', 1024],
    ['MiB', 1024 ** 2],
    ['s', 1000],
  ] as const) {
    if (value % size === 0) written.push(`${value / size} ${unit}`);
  }
  return written;
}

const sides: Readonly<Record<string, unknown>>[] = [
  { ...clientOptions() },
  { ...serverOptions() },
  { ...closeOptions() },
];

test('defaults in the tables of pages are correct', (t) => {
  let compared = 0;
  for (const page of readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))) {
    for (const [table, head] of read(`docs/${page}`).matchAll(
      /^(\| (?:option|limit) .*)\n(\|.*\n)+/gm,
    )) {
      const column = head!.split('|').findIndex((cell) => cell.trim() === 'default');
      if (page === 'options.md' || column < 0) continue;
      for (const row of table!.split('\n').slice(2, -1)) {
        const cells = row.split('|');
        for (const [, name] of cells[1]!.matchAll(/`(\w+)`/g)) {
          const defaults = sides.flatMap((side) =>
            side[name!] === undefined ? [] : [side[name!]],
          );
          if (defaults.length === 0) continue;
          const stated = cells[column]!;
          const right = defaults.some((value) =>
            forms(value).some((form) => stated.includes(form!)),
          );
          t.true(right, `${page}: ${name} is not ${stated.trim()}`);
          compared++;
        }
      }
    }
  }
  t.true(compared > 2);
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { root } from './support/vectors.js';

/** Exports of bench/page.mjs. */
interface Pages {
  QUOTING: string[];
  QUOTE: RegExp;
  quoteFor(page: string, source: string, title: string): string;
}

let pages: Pages;
test.before('bench/page.mjs is loaded', async () => {
  pages = (await import(pathToFileURL(join(root, 'bench/page.mjs')).href)) as Pages;
});

const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Ignores prettier's changes: column widths and line breaks. */
const words = (text: string): string[] =>
  text.replace(/\|[ :|-]+\|\n/g, '').match(/[^\s|]+/g) ?? [];

for (const page of ['README.md', 'docs/performance.md']) {
  test(`${page} quotes the benchmarks correctly`, (t) => {
    t.true(pages.QUOTING.includes(page));
    const quotes = [...read(page).matchAll(pages.QUOTE)];
    t.true(quotes.length > 0);
    for (const [, , source, title, quote] of quotes) {
      t.deepEqual(words(quote!), words(pages.quoteFor(page, source!, title!)), title);
    }
  });

  test(`${page} states only quoted figures`, (t) => {
    const own = read(page).replaceAll(pages.QUOTE, '');
    t.deepEqual(own.match(/\d\s?(µs|ms\b|%|×|calls|items|MB\/s)/g), null);
  });
}

import { readFileSync } from 'node:fs';
import test from 'ava';

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test('the page of errors has each code that the library gives, with a section of its own', (t) => {
  const sources = [
    'src/platform/error.ts',
    'src/terms/term-error.ts',
    'src/errors/errors.ts',
    'native.cjs',
  ]
    .map(read)
    .join('\n');
  const given = new Set(sources.match(/ERR_BACKWATER_[A-Z_]+[A-Z]/g));
  t.true(given.size > 10);
  const page = read('docs/errors.md');
  const described = new Set(
    page.match(/^## (ERR_BACKWATER_\w+)/gm)?.map((title) => title.slice(3)),
  );
  t.deepEqual([...given].sort(), [...described].sort());
  for (const code of given) t.true(page.includes(`](#${code.toLowerCase()})`), code);
});

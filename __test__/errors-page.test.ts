import { readFileSync } from 'node:fs';
import test from 'ava';

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const sources = [
  'src/platform/error.ts',
  'src/terms/term-error.ts',
  'src/errors/errors.ts',
  'native.cjs',
].map(read);

const sections = new Map(
  read('docs/errors.md')
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [code, ...paragraphs] = section.split('\n\n');
      return [code!, paragraphs.map((paragraph) => paragraph.trim().replaceAll('\n', ' '))];
    }),
);

test('docs/errors.md has a section for each code that the library uses', (t) => {
  const used = new Set(sources.join('\n').match(/ERR_BACKWATER_[A-Z_]+[A-Z]/g));
  t.true(used.size > 10);
  t.deepEqual([...used].sort(), [...sections.keys()].sort());
});

test('each section starts with the class and doc comment of its code', (t) => {
  const documented = new Map<string, [name: string, summary: string]>();
  for (const source of sources) {
    for (const [, comment, name, body] of source.matchAll(
      /\/\*\*((?:(?!\*\/)[^])*)\*\/\nexport class (\w+) [^]*?\{\n([^]*?)\n\}/g,
    )) {
      const codes = body!.match(/ERR_BACKWATER_\w+/g);
      const lines = comment!.split('\n').map((line) => line.replace(/^ *\* ?/, '').trim());
      const summary = lines.join('\n').trim().split('\n\n')[0]!.replaceAll('\n', ' ');
      documented.set(codes!.at(-1)!, [name!, summary]);
    }
  }
  for (const [code, [text]] of sections) {
    const [name, summary] = documented.get(code) ?? [];
    if (code === 'ERR_BACKWATER_NATIVE') continue;
    t.is(text!.replace(/ \(a `\w+`\)/, ''), `\`${name}\`: ${summary}`, code);
  }
});

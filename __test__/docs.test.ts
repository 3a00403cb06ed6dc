import test from 'ava';
import { allExamples, ExampleFolder, examplesIn } from './support/examples.js';

const examples = allExamples();
const folder = new ExampleFolder();

test.before('the examples are compiled', () => folder.prepare(examples));

for (const example of examples) {
  test(`the example at ${example.page}:${example.line} works`, async (t) => {
    t.deepEqual(folder.complaints(example), []);
    if (!example.run) return;
    const { status, output, errors } = await folder.run(example);
    t.is(status, 0, errors);
    if (example.output !== undefined) t.deepEqual(output.trimEnd().split('\n'), example.output);
  });
}

test('the README and doc comments contain examples', (t) => {
  t.true(examples.some(({ page }) => page === 'README.md'));
  t.true(examples.some(({ page }) => page === 'src/codec/encode.ts'));
});

test('examples are found with their places and attributes', (t) => {
  const page = [
    'Text',
    '```js run',
    'const a = 1;',
    'console.log(a); // 1',
    '```',
    '```sh',
    '# ```js is not a fence here',
    '```',
    '<!--',
    '```js file=other.js',
    'export const b = 2;',
    '```',
    '-->',
    '```js unchecked',
    'nothing(',
    '```',
    '  ```ts',
    '  const c = 3;',
    '  ```',
    '```ts run continued',
    'const d = c + 1;',
    'console.log(',
    '  d,',
    ');',
    '```',
    '',
  ].join('\n');
  const found = examplesIn('page.md', page);
  t.deepEqual(
    found.map(({ line, language, run, file, output }) => ({ line, language, run, file, output })),
    [
      { line: 2, language: 'js', run: true, file: undefined, output: ['1'] },
      { line: 10, language: 'js', run: false, file: 'other.js', output: undefined },
      { line: 17, language: 'ts', run: false, file: undefined, output: undefined },
      { line: 20, language: 'ts', run: true, file: undefined, output: undefined },
    ],
  );
  t.deepEqual(found[0]!.lines, ['', '', 'const a = 1;', 'console.log(a); // 1']);
  t.is(found[3]!.lines[17], 'const c = 3;');
  t.is(found[3]!.lines[20], 'const d = c + 1;');
  t.throws(() => examplesIn('page.md', '```js rum\n```'), { message: /page\.md:1: 'rum'/ });
});

test('examples in doc comments lose their margin', (t) => {
  const source = '/**\n * @example\n * ```ts\n * if (a) {\n *   b();\n * }\n * ```\n */\n';
  t.deepEqual(examplesIn('a.ts', source)[0]!.lines.slice(3), ['if (a) {', '  b();', '}']);
});

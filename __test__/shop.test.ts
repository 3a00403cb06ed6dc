import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { elixirAvailable } from './support/evaluators.js';
import { projectRoot } from './support/root.js';

const folder = join(projectRoot(), 'examples/shop');

test('the shop serves its customer, refuses invalid orders and traces each order', async (t) => {
  const program = join(folder, 'main.mjs');
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program], {
    timeout: 240_000,
  });
  t.is(stderr, '');
  const ordered = /^ordered \{[^}]*\}/m.exec(stdout)![0];
  for (const part of ["by: 'web'", "for: 'acme'", 'left: 3', "country: 'DE'", 'price: 5.5']) {
    t.true(ordered.includes(part), `${part} is not in ${ordered}`);
  }
  t.regex(
    stdout,
    /code: 'out_of_stock',\n\s+data: \{ item: 'pear', left: 0 \}\n\} try again: false/,
  );
  t.regex(stdout, /code: 'invalid_arguments',\n\s+data: \{ issues: /);
  const traces = Array.from(stdout.matchAll(/^ {2}traceId: '(\w+)'/gm), ([, id]) => id!);
  t.is(new Set(traces).size, 3);
  // A span on either side of three calls. The service in Elixir makes none.
  const spans = traces.filter((id) => id === traces[0]).length;
  t.is(spans, elixirAvailable() ? 5 : 6);
});

test('the shop has fewer than 200 lines', (t) => {
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  t.true(files.join('').split('\n').length < 200);
});

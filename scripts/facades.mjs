// Adds an ES module, with declarations, beside each entry point in build/. The library is CommonJS,
// so that `import` and `require` share its state.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeOutInterfaces } from './options.mjs';

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
const requireFromRoot = createRequire(join(root, 'package.json'));
const { exports } = requireFromRoot('./package.json');

// A relative path works in every bundler; tests need the alias.
const native = join(root, 'build/platform/native.js');
const source = readFileSync(native, 'utf8');
writeFileSync(native, source.replace("require('#native')", "require('../../native.cjs')"));

// The output of tsc breaks if a program has given Object.prototype a `get` or `set`, and an
// assignment to `__proto__` fails under `node --disable-proto=throw`.
for (const name of readdirSync(join(root, 'build'), { recursive: true })) {
  if (!name.endsWith('.js')) continue;
  const path = join(root, 'build', name);
  const written = readFileSync(path, 'utf8');
  const safe = written
    .replace('"__esModule", { value: true }', '"__esModule", { __proto__: null, value: true }')
    .replace(
      /(var desc = Object\.getOwnPropertyDescriptor\(m, k\));/,
      '$1; if (desc) Object.setPrototypeOf(desc, null);',
    )
    .replace('desc = { enumerable: true,', 'desc = { __proto__: null, enumerable: true,')
    .replace('{ enumerable: true, value: v }', '{ __proto__: null, enumerable: true, value: v }');
  if (safe !== written) writeFileSync(path, safe);
}

writeOutInterfaces(root);

/** Optional peers; src/loading.mts explains why the ES module imports them. */
const PEERS = { './opentelemetry': ['@opentelemetry/api'] };

for (const [entry, { import: facade, require: library }] of Object.entries(exports)) {
  if (facade === undefined) continue;
  const peers = (PEERS[entry] ?? []).map((name) => `import '${name}';\n`).join('');
  const names = Object.keys(requireFromRoot(library.default)).sort();
  const from = `'./${basename(library.default)}'`;
  const lines = names.map((name) => `  ${name},\n`).join('');
  write(facade.default, `import './loading.mjs';\n${peers}export {\n${lines}} from ${from};\n`);
  write(facade.types, `export * from ${from};\n`);
}

function write(path, text) {
  writeFileSync(join(root, path), text);
}

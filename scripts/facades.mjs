// Finishes what tsc has written to build/: an ES module, with declarations, beside each entry point.
// The library is CommonJS, so that `import` and `require` share one copy of it and of its state.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeOutInterfaces } from './options.mjs';

const root = resolve(process.argv[2] ?? fileURLToPath(new URL('..', import.meta.url)));
const requireFromRoot = createRequire(join(root, 'package.json'));
const { exports } = requireFromRoot('./package.json');

// Sources name the loader of the addon by an alias because tests are compiled to another depth.
// A relative path works in every bundler and under any alias that an application defines.
const native = join(root, 'build/platform/native.js');
const source = readFileSync(native, 'utf8');
writeFileSync(native, source.replace("require('#native')", "require('../../native.cjs')"));

// What tsc writes breaks when a program has given Object.prototype a `get` or `set`. An assignment to `__proto__`
// would break under `node --disable-proto=throw`; in an object literal it is syntax.
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

/** Optional peers that an entry point needs. For why the ES module imports them, see src/loading.mts. */
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

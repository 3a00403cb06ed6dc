// Fails if a layer of src/ imports one above it. Files in src/ itself are entry points.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** From top to bottom, as in docs/architecture.md. */
const LAYERS = [
  'cli',
  'entry points',
  'http',
  'opentelemetry',
  'client',
  'server',
  'calls',
  'resolve',
  'exceptions',
  'bridge',
  'elixir',
  'hooks',
  'codec',
  'options',
  'errors',
  'terms',
  'platform',
];

const source = fileURLToPath(new URL('../src', import.meta.url));
let failed = false;

for (const name of readdirSync(source, { recursive: true })) {
  if (!/\.m?ts$/.test(name)) continue;
  const file = join(source, name);
  const text = readFileSync(file, 'utf8').replaceAll(/^\s*\*.*$/gm, '');
  for (const [, path] of text.matchAll(/\b(?:from|import|import\(|require\()\s*'(\.[^']+)'/g)) {
    const imported = relative(source, join(dirname(file), path));
    if (imported.startsWith('..')) continue;
    const [from, to] = [rankOf(name), rankOf(imported)];
    if (from > to)
      fail(`src/${name} imports src/${imported}, and '${LAYERS[to]}' is above '${LAYERS[from]}'`);
  }
}
process.exitCode = failed ? 1 : 0;

function rankOf(path) {
  const layer = path.includes(sep) ? path.split(sep)[0] : 'entry points';
  const rank = LAYERS.indexOf(layer);
  if (rank < 0) fail(`src/${layer} has no place in the order of scripts/layers.mjs`);
  return rank;
}

function fail(message) {
  failed = true;
  console.error(message);
}

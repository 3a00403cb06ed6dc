// Fails if modules of a crate import each other in a circle, parents included.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const crates = ['etf', 'protocol', 'transport', 'node'];

let failed = false;
for (const crate of crates) {
  const source = join(root, 'crates', crate, 'src');
  const files = filesOf(source);
  const graph = new Map(files.map((file) => [file, importsOf(file, source)]));
  for (const circle of circlesOf(graph)) {
    failed = true;
    console.error(
      `modules that import each other: ${circle.map((file) => relative(root, file)).join(', ')}`,
    );
  }
}
process.exitCode = failed ? 1 : 0;

function filesOf(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return filesOf(path);
    return name.endsWith('.rs') ? [path] : [];
  });
}

/** Outside of tests, by `use` and by paths in code. */
function importsOf(file, source) {
  const text = readFileSync(file, 'utf8').split(/^#\[cfg\(test\)\]/m)[0];
  const imports = new Set();
  const declarations = Array.from(text.matchAll(/^\s*use ([^;]+);/gm), ([, path]) => path);
  const code = text.replaceAll(/^\s*(?:pub(?:\([^)]*\))? )?use [^;]+;|\/\/.*/gm, '');
  const inline = code.match(/(?<![\w$])(?:crate|super)(?:::\w+)+/g) ?? [];
  for (const path of [...declarations, ...inline].flatMap((each) =>
    pathsOf(each.replaceAll(/\s+/g, '')),
  )) {
    const found = fileOf(path.split('::'), file, source);
    if (found !== undefined && found !== file) imports.add(found);
  }
  return imports;
}

/** `a::{b,c::{d}}` as `a::b` and `a::c::d`. */
function pathsOf(declaration) {
  const open = declaration.indexOf('{');
  if (open < 0) return [declaration.replace(/as\w+$/, '')];
  const prefix = declaration.slice(0, open);
  const parts = [];
  let depth = 0;
  let start = open + 1;
  for (let at = open + 1; at < declaration.length; at++) {
    const character = declaration[at];
    if (character === '{') depth++;
    else if (character === '}' && depth > 0) depth--;
    else if (character === '}' || (character === ',' && depth === 0)) {
      if (at > start) parts.push(declaration.slice(start, at));
      start = at + 1;
    }
  }
  return parts.flatMap((part) => pathsOf(part).map((path) => prefix + path));
}

/** Of the innermost module; undefined for other crates. */
function fileOf(path, file, source) {
  let folder;
  const rest = [...path];
  if (rest[0] === 'crate') {
    rest.shift();
    folder = source;
  } else if (rest[0] === 'self' || rest[0] === 'super') {
    folder = isFolderModule(file) ? dirname(file) : file.slice(0, -'.rs'.length);
    while (rest[0] === 'super' || rest[0] === 'self') {
      if (rest.shift() === 'super') folder = dirname(folder);
    }
  } else {
    return undefined;
  }
  let found = moduleFile(folder, source);
  while (rest.length > 0) {
    const next = moduleFile(join(folder, rest[0]), source);
    if (next === undefined) break;
    folder = join(folder, rest.shift());
    found = next;
  }
  return found;
}

function isFolderModule(file) {
  return /[\\/](mod|lib)\.rs$/.test(file);
}

function moduleFile(folder, source) {
  if (folder === source) return join(source, 'lib.rs');
  return [`${folder}.rs`, join(folder, 'mod.rs')].find((file) => existsSync(file));
}

/** Strongly connected components (Tarjan). */
function circlesOf(graph) {
  const circles = [];
  const numbers = new Map();
  const lowest = new Map();
  const stack = [];
  const visit = (file) => {
    numbers.set(file, numbers.size);
    lowest.set(file, numbers.get(file));
    stack.push(file);
    for (const next of graph.get(file) ?? []) {
      if (!numbers.has(next)) {
        visit(next);
        lowest.set(file, Math.min(lowest.get(file), lowest.get(next)));
      } else if (stack.includes(next)) {
        lowest.set(file, Math.min(lowest.get(file), numbers.get(next)));
      }
    }
    if (lowest.get(file) !== numbers.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) circles.push(circle);
  };
  for (const file of graph.keys()) if (!numbers.has(file)) visit(file);
  return circles;
}

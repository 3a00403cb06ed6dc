import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { native } from '../src/platform/native.js';
import { projectRoot } from './support/root.js';

const read = (path: string): string => readFileSync(join(projectRoot(), path), 'utf8');
const described = (path: string): Readonly<Record<string, unknown>> =>
  JSON.parse(read(path)) as Readonly<Record<string, unknown>>;

const { version } = described('package.json');

test('all places that state the version agree', (t) => {
  t.is(/^version = "(.*)"$/m.exec(read('Cargo.toml'))?.[1], version as string);
  t.is(/^const VERSION = '(.*)';$/m.exec(read('native.cjs'))?.[1], version as string);
  t.is(native.VERSION, version as string);
  for (const name of readdirSync(join(projectRoot(), 'npm'))) {
    t.is(described(`npm/${name}/package.json`)['version'], version, name);
  }
});

test('each platform has a package that the loader requires', (t) => {
  const loader = read('native.cjs');
  const required = Array.from(loader.matchAll(/require\('(backwater-.*)'\)/g), ([, name]) => name);
  const folders = readdirSync(join(projectRoot(), 'npm'));
  t.deepEqual(required.sort(), folders.map((name) => `backwater-${name}`).sort());
  for (const name of folders) t.true(loader.includes(`'${name}'`), name);
});

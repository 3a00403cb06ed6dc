import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { clientOptions } from '../src/client/options.js';
import { serverOptions } from '../src/server/options.js';
import { root } from './support/vectors.js';

const page = readFileSync(join(root, 'docs/security.md'), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

/** The section of that title, to the next one that is not below it. */
function section(title: string): string {
  const start = page.indexOf(`${title}\n`);
  if (start < 0) throw new Error(`there is no section '${title}'`);
  const level = /^#+ /.exec(title)![0].trim();
  const rest = page.slice(start + title.length);
  const end = rest.search(new RegExp(`^#{1,${level.length}} `, 'm'));
  return end < 0 ? rest : rest.slice(0, end);
}

/** The rows of the tables of a text, without their heads. */
function rows(text: string): string[][] {
  return [...text.matchAll(/^\|(.*)\|$/gm)]
    .map(([, row]) => row!.split('|').map((cell) => cell.trim()))
    .filter(([first]) => !/^(-+|promise|option|what|who)$/.test(first!));
}

test('every file that the page names is there', (t) => {
  const files = page.match(/(?<=`)(__test__|crates|scripts|bench|docs)\/[\w./-]+(?=`)/g)!;
  t.true(files.length > 50);
  for (const file of files) t.true(existsSync(join(root, file)), file);
});

test('every command that the page names is there', (t) => {
  const entries = readdirSync(join(root, 'bench')).map((name) => name.replace(/\.mjs$/, ''));
  const commands = [...page.matchAll(/`npm run ([\w:]+)(?: -- ([\w-]+))?/g)];
  t.true(commands.length > 5);
  for (const [text, name, argument] of commands) {
    t.true(name! in scripts, text);
    if (name === 'bench') t.true(entries.includes(argument!), text);
  }
});

test('every promise and every recorded run has what shows it', (t) => {
  const promises = rows(section('## Promises, and the tests that show them'));
  t.true(promises.length > 25);
  for (const [promise, shown] of promises) {
    t.regex(shown!, /`(__test__|crates)\/|`npm run |the fuzz targets|below/, promise);
  }
  for (const [what, figures, findings] of rows(section('## Recorded runs'))) {
    t.regex(what!, /^`npm run /);
    t.regex(figures!, /\d|figures/, what);
    t.true(findings!.length > 0, what);
  }
});

/** What `16 KiB`, `5 s` or `10,000` is as a number; undefined for words, which say what else it is. */
function valueOf(text: string): number | undefined {
  if (text === 'none') return Infinity;
  const [, digits, unit = ''] = /^([\d,]+)(?: (s|KiB|MiB))?$/.exec(text) ?? [];
  const units: Record<string, number> = { '': 1, s: 1000, KiB: 1024, MiB: 1024 * 1024 };
  return digits === undefined ? undefined : Number(digits.replaceAll(',', '')) * units[unit]!;
}

/** Options with numbers that bound nothing that a peer could ask for. */
const NO_LIMITS = new Set([
  'port',
  'gzipLevel',
  'compressionThreshold',
  'spin',
  'workers',
  'ioThreads',
  'flags',
  'minConnections',
  'maxConnectionAge',
  'hedgeDelay',
  'resolveInterval',
]);

for (const [title, settings] of [
  ['### Of a server', serverOptions()],
  ['### Of a client', clientOptions()],
] as const) {
  test(`${title.slice(4)}: every limit, with its default, and the test that shows it`, (t) => {
    const defaults = settings as unknown as Readonly<Record<string, unknown>>;
    const listed = new Set<string>();
    for (const [name, fallback, , beyond, shown] of rows(section(title))) {
      const option = name!.slice(1, -1);
      listed.add(option);
      t.true(option in defaults, option);
      t.is(valueOf(fallback!), defaults[option] as number | undefined, option);
      t.true(beyond!.length > 0, option);
      const file = join(root, shown!.slice(1, -1));
      t.true(new RegExp(`\\b${option}\\b`).test(readFileSync(file, 'utf8')), `${option}: ${shown}`);
    }
    for (const [option, value] of Object.entries(defaults)) {
      if (typeof value === 'number' && !NO_LIMITS.has(option)) t.true(listed.has(option), option);
    }
  });
}

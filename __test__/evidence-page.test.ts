import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { clientOptions } from '../src/client/options.js';
import { serverOptions } from '../src/server/options.js';
import { root } from './support/vectors.js';

const page = readFileSync(join(root, 'docs/evidence.md'), 'utf8');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

function items(heading: string): string[] {
  const section = page.split(`# ${heading}\n`)[1]!.split('\n#')[0]!;
  const blocks = section.split(/\n(?=- )|\n\n/).filter((block) => block.startsWith('- '));
  return blocks.map((block) => block.slice(2));
}

test('every file on the page exists', (t) => {
  const files = page.match(/(?<=`)(__test__|crates|scripts|bench|docs)\/[\w./-]+(?=`)/g)!;
  t.true(files.length > 50);
  for (const file of files) t.true(existsSync(join(root, file)), file);
});

test('every command on the page exists', (t) => {
  const entries = readdirSync(join(root, 'bench')).map((name) => name.replace(/\.mjs$/, ''));
  const commands = [...page.matchAll(/`npm run ([\w:]+)(?: -- ([\w-]+))?/g)];
  t.true(commands.length > 5);
  for (const [text, name, argument] of commands) {
    t.true(name! in scripts, text);
    if (name === 'bench') t.true(entries.includes(argument!), text);
  }
});

test('every promise and every recorded run names its evidence', (t) => {
  const promises = items('Promises');
  t.true(promises.length > 25);
  for (const promise of promises) t.regex(promise, /:\s(`(__test__|crates)\/|`npm run |\[below)/);
  const runs = items('Recorded runs');
  t.true(runs.length > 5);
  for (const run of runs) t.regex(run, /^`npm run .*?`: .*\d/);
});

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
  'streamPingInterval',
]);

const limits = readFileSync(join(root, 'docs/limits.md'), 'utf8').split('\n## Clients\n');

for (const [side, settings, described] of [
  ['server', serverOptions(), limits[0]!],
  ['client', clientOptions(), limits[1]!],
] as const) {
  test(`docs/limits.md lists each limit of a ${side}, and the page names its test`, (t) => {
    const shown = new Set<string>();
    for (const item of items(`Options of a ${side}`)) {
      const [, file, options] = /^`(.*?)`: ([^]*)$/.exec(item)!;
      const text = readFileSync(join(root, file!), 'utf8');
      for (const [, option] of options!.matchAll(/`(\w+)`/g)) {
        shown.add(option!);
        t.true(option! in settings, option);
        t.regex(text, new RegExp(`\\b${option}\\b`), `${option}: ${file}`);
        t.true(described.includes(`\`${option}\``), `docs/limits.md: ${option}`);
      }
    }
    for (const [option, value] of Object.entries(settings)) {
      if (typeof value === 'number' && !NO_LIMITS.has(option)) t.true(shown.has(option), option);
    }
  });
}

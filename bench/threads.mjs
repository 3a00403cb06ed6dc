// Worker threads that load the library, use it and leave, in random order.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { lineChart } from './line-chart.mjs';

const library = new URL('../build/index.mjs', import.meta.url).href;
const program = fileURLToPath(new URL('./threads/process.mjs', import.meta.url));
const folder = new URL('../docs/benchmarks/', import.meta.url);
const MEBIBYTE = 1024 * 1024;
/** When the main thread loads the library, too. */
const MAIN = { never: 'never', late: 'after half of the threads', first: 'before all threads' };

/** `--quick`: 50 threads each; prints, and writes nothing. */
export function run(args) {
  const quick = args.includes('--quick');
  const count = quick ? 50 : 1000;
  const results = Object.keys(MAIN).map((main) => [main, measure(main, count)]);
  const text = report(results);
  console.log(`\n${text}`);
  if (quick) return;
  writeFileSync(new URL('threads.md', folder), text);
  writeFileSync(new URL('threads.svg', folder), chart(results[0][1]));
}

function measure(main, count) {
  const { stdout, status, signal } = spawnSync(
    process.execPath,
    [program, library, String(count), main, '1'],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (status !== 0) throw new Error(`the process ended with ${status ?? signal}`);
  return JSON.parse(stdout);
}

function report(results) {
  const [, { outcomes }] = results[0];
  return [
    '# Threads that come and go',
    '',
    `Node ${process.versions.node}, ${process.platform}-${process.arch}; \`npm run bench -- threads\`. ` +
      'Worker threads load the library, do one of seven things and leave, in random order, one to six at a time.',
    '',
    '| what a thread does | threads |',
    '| --- | --: |',
    ...Object.entries(outcomes).map(([task, count]) => `| ${task} | ${count} |`),
    '',
    '| the main thread loads the library | threads | crashes | most RSS, first half | second half | threads left | descriptors left |',
    '| --- | --: | --: | --: | --: | --: | --: |',
    ...results.map(row),
    '',
    '![memory, descriptors and threads](threads.svg)',
    '',
  ].join('\n');
}

function row([main, { ended, history, left }]) {
  const half = Math.floor(history.length / 2);
  const most = (part) => Math.round(Math.max(...part.map(({ rss }) => rss)) / MEBIBYTE);
  const [before, after] = [most(history.slice(0, half)), most(history.slice(half))];
  return `| ${MAIN[main]} | ${ended} | 0 | ${before} MiB | ${after} MiB | ${left.threads} | ${left.descriptors} |`;
}

function chart({ history }) {
  const values = (field, divisor = 1) => history.map((each) => each[field] / divisor);
  return lineChart(
    'What the process holds while threads come and go',
    { label: 'threads that have ended', values: values('ended') },
    [
      { name: 'RSS', values: values('rss', MEBIBYTE), unit: 'MiB' },
      { name: 'descriptors', values: values('descriptors'), unit: '' },
      { name: 'threads', values: values('threads'), unit: '' },
    ],
  );
}

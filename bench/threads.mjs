// Worker threads that load the library, use it and leave, in random order.
import { lineChart } from './line-chart.mjs';
import { publish, runProgram, where } from './page.mjs';

const library = new URL('../build/index.mjs', import.meta.url).href;
const program = new URL('./threads/process.mjs', import.meta.url);
const MEBIBYTE = 1024 * 1024;
/** When the main thread loads the library, too. */
const MAIN = { never: 'never', late: 'after half of the threads', first: 'before all threads' };

/** `--quick`: 50 threads each; prints, and writes nothing. */
export function run(args) {
  const quick = args.includes('--quick');
  const count = quick ? 50 : 1000;
  const results = Object.keys(MAIN).map((main) => [
    main,
    runProgram(program, [library, count, main, 1]),
  ]);
  return publish('threads', report(results), { 'threads.svg': chart(results[0][1]) }, !quick);
}

function report(results) {
  const [, { outcomes }] = results[0];
  return [
    '# Threads that come and go',
    '',
    `${where()}; \`npm run bench -- threads\`. ` +
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

import { mebibytes, mostOf, ranWith, table } from './format.mjs';
import { lineChart } from './line-chart.mjs';
import { publish, runProgram } from './page.mjs';

const library = new URL('../build/index.mjs', import.meta.url).href;
const program = new URL('./threads/process.mjs', import.meta.url);
/** When the main thread loads the library, too. */
const MAIN = { never: 'never', late: 'after half of the threads', first: 'before all threads' };

export function run({ quick, isWhole }) {
  const results = Object.keys(MAIN).map((main) => [
    main,
    runProgram(program, [library, quick ? 50 : 1000, main, 1]),
  ]);
  return publish('threads', report(results), { 'threads.svg': chart(results.at(-1)[1]) }, isWhole);
}

function report(results) {
  const rows = results.map(([main, { ended, calls, history, before, left }]) => [
    MAIN[main],
    String(ended),
    `${calls.returned} + ${calls.failed}`,
    ...mostOf(history, 'rss').map((bytes) => `${mebibytes(bytes).toFixed(0)} MiB`),
    `${before.threads}, ${left.threads}`,
    `${before.descriptors}, ${left.descriptors}`,
  ]);
  const heads = [
    'the main thread loads the library',
    'threads',
    'calls to them',
    'peak RSS, first half',
    'second half',
    'threads before, after',
    'descriptors',
  ];
  const tasks = Object.keys(results[0][1].outcomes).sort();
  return `# Threads that come and go

${ranWith('threads')} Worker threads load the library, do one thing and end, in random order, one to six at a
time: ${tasks.join(', ')}. None crashed.

Threads make small and large calls to themselves and to the main thread's server, which answered after each thread. The
main thread calls the threads that it terminates: the table says how many calls returned and failed. None hung.

${table(heads, rows)}
![memory, descriptors and threads](threads.svg)
`;
}

function chart({ history }) {
  return lineChart(
    'What the process holds while threads come and go',
    history,
    ['threads that have ended', 'ended'],
    [
      ['RSS', 'rss', 'MiB'],
      ['descriptors', 'descriptors'],
      ['threads', 'threads'],
    ],
  );
}

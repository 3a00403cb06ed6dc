// Worker threads that are terminated in the middle of calls, again and again.
import { lineChart } from './line-chart.mjs';
import { publish, runProgram, where } from './page.mjs';

const library = new URL('../build/index.js', import.meta.url).href;
const program = new URL('./lives/process.mjs', import.meta.url);
const MEBIBYTE = 1024 * 1024;

/** `--quick`: 50 threads; prints, and writes nothing. */
export function run(args) {
  const quick = args.includes('--quick');
  const rounds = quick ? 50 : 1000;
  const result = runProgram(program, [library, rounds]);
  return publish('lives', report(result), { 'lives.svg': chart(result) }, !quick);
}

function report({ ended, outcomes, pending, before, left, history }) {
  const most = (from, to, field) =>
    Math.max(...history.slice(history.length * from, history.length * to).map((e) => e[field]));
  const half = (field, divisor) =>
    [most(0, 0.5, field), most(0.5, 1, field)].map((value) => (value / divisor).toFixed(0));
  return [
    '# Lives: worker threads terminated in the middle of calls',
    '',
    `${where()}; \`npm run bench -- lives\`. ` +
      'Each thread starts a server, calls itself and a server of the main thread with small and large ' +
      'messages, and is called by the main thread; then it is terminated, every fifth one while it ' +
      'starts. Four at a time.',
    '',
    `${ended} threads ended, without a crash. Of the calls from the main thread to them, ` +
      `${outcomes.returned} had returned and ${outcomes.failed} failed; none hung. The main thread's ` +
      `server answered after each, and had ${pending} calls pending at the end.`,
    '',
    '| | before | after all, closed |',
    '| --- | --: | --: |',
    `| descriptors | ${before.descriptors} | ${left.descriptors} |`,
    `| threads | ${before.threads} | ${left.threads} |`,
    '',
    `The most of the first and the second half: RSS ${half('rss', MEBIBYTE).join(' and ')} MiB, ` +
      `${half('descriptors', 1).join(' and ')} descriptors, ${half('threads', 1).join(' and ')} threads.`,
    '',
    '![memory, descriptors and threads](lives.svg)',
    '',
  ].join('\n');
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

// Streams that end in random ways, again and again.
import { lineChart } from './line-chart.mjs';
import { publish, runProgram, where } from './page.mjs';

const library = new URL('../build/index.js', import.meta.url).href;
const program = new URL('./stream-lives/process.mjs', import.meta.url);
const MEBIBYTE = 1024 * 1024;

/** `--quick`: 2,000 streams; prints, and writes nothing. */
export function run(args) {
  const quick = args.includes('--quick');
  const result = runProgram(program, [library, quick ? 2000 : 100_000], ['--expose-gc']);
  console.error();
  if (result.wrong.length > 0) throw new Error(result.wrong.slice(0, 5).join('\n'));
  return publish('stream-lives', report(result), { 'stream-lives.svg': chart(result) }, !quick);
}

function report({ total, seconds, outcomes, pending, before, left, history }) {
  const most = (from, to, field) =>
    Math.max(...history.slice(history.length * from, history.length * to).map((e) => e[field]));
  const [first, second] = [most(0, 0.5, 'rss'), most(0.5, 1, 'rss')].map((bytes) =>
    (bytes / MEBIBYTE).toFixed(0),
  );
  return `# Streams that end in every way

\`npm run bench -- stream-lives\`, ${where()}. Server and client in one process, 64 streams at a time; each ends in
a way chosen at random. ${total.toLocaleString('en')} streams took ${seconds.toFixed(0)} s, and every one ended as it should:

| end | streams |
| --- | --: |
${Object.entries(outcomes)
  .map(([name, count]) => `| ${name} | ${count.toLocaleString('en')} |`)
  .join('\n')}

| | before | after |
| --- | --: | --: |
${Object.keys(before)
  .map((name) => `| ${name} | ${before[name]} | ${left[name]} |`)
  .join('\n')}

After the last one, the server had ${pending.server} pending calls and the client ${pending.client}. Resident memory was at most
${first} MiB in the first half and ${second} MiB in the second.

![memory, descriptors and generators](stream-lives.svg)
`;
}

function chart({ history }) {
  const values = (field, divisor = 1) => history.map((each) => each[field] / divisor);
  return lineChart(
    'What the process holds while streams come and go',
    { label: 'streams', values: values('streams') },
    [
      { name: 'heap', values: values('heapUsed', MEBIBYTE), unit: 'MiB' },
      { name: 'descriptors', values: values('descriptors'), unit: '' },
      { name: 'open generators', values: values('open'), unit: '' },
    ],
  );
}

// Memory over a million calls of mixed sizes and failures.
import { lineChart } from './line-chart.mjs';
import { publish, runProgram, where } from './page.mjs';

const library = new URL('../build/index.js', import.meta.url).href;
const program = new URL('./soak/process.mjs', import.meta.url);
const MEBIBYTE = 1024 * 1024;

/** `--quick`: 50,000 calls; prints, and writes nothing. */
export function run(args) {
  const quick = args.includes('--quick');
  const total = quick ? 50_000 : 1_000_000;
  const result = runProgram(program, [library, total], ['--expose-gc']);
  return publish('soak', report(result), { 'soak.svg': chart(result) }, !quick);
}

function report({ total, seconds, outcomes, pending, history }) {
  const quarter = (number) => {
    const part = history.slice(
      Math.floor((history.length * number) / 4),
      Math.floor((history.length * (number + 1)) / 4),
    );
    const most = (field) => Math.max(...part.map((each) => each[field]));
    const cells = [
      (most('heapUsed') / MEBIBYTE).toFixed(1),
      (most('arrayBuffers') / MEBIBYTE).toFixed(1),
      (most('rss') / MEBIBYTE).toFixed(0),
      most('descriptors'),
    ];
    return `| ${number + 1} | ${cells.join(' | ')} |`;
  };
  return [
    '# Soak: memory over a million calls',
    '',
    `${where()}; \`npm run bench -- soak\`. ` +
      'Server and client in one process, 64 calls at a time: records, texts and binaries of 60 bytes ' +
      'to 1 MB, exceptions, refusals, results that are no terms or too large, timeouts, aborted calls.',
    '',
    `${total.toLocaleString('en')} calls in ${seconds.toFixed(0)} s: ` +
      `${outcomes.returned.toLocaleString('en')} returned, ${outcomes.failed.toLocaleString('en')} ` +
      `failed as they should, ${outcomes.wrong} otherwise. Still pending at the end: ` +
      `${pending.server} on the server, ${pending.client} on the client.`,
    '',
    'The most of each quarter, the heap after a garbage collection:',
    '',
    '| quarter | heap, MiB | array buffers, MiB | RSS, MiB | descriptors |',
    '| ------: | --------: | -----------------: | -------: | ----------: |',
    ...[0, 1, 2, 3].map(quarter),
    '',
    '![memory over the calls](soak.svg)',
    '',
  ].join('\n');
}

function chart({ history }) {
  const values = (field) => history.map((each) => each[field] / MEBIBYTE);
  return lineChart(
    'Memory of server and client over calls of mixed sizes and failures',
    { label: 'calls', values: history.map(({ calls }) => calls) },
    [
      { name: 'RSS', values: values('rss'), unit: 'MiB' },
      { name: 'heap', values: values('heapUsed'), unit: 'MiB' },
      { name: 'array buffers', values: values('arrayBuffers'), unit: 'MiB' },
    ],
  );
}

// Memory over a million calls of mixed sizes and failures.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { lineChart } from './line-chart.mjs';

const library = new URL('../build/index.js', import.meta.url).href;
const program = fileURLToPath(new URL('./soak/process.mjs', import.meta.url));
const folder = new URL('../docs/benchmarks/', import.meta.url);
const MEBIBYTE = 1024 * 1024;

/** `--quick`: 50,000 calls; prints, and writes nothing. */
export function run(args) {
  const quick = args.includes('--quick');
  const total = quick ? 50_000 : 1_000_000;
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--expose-gc', program, library, String(total)],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  );
  if (status !== 0) throw new Error(`the process has ended with ${status}`);
  const result = JSON.parse(stdout);
  const text = report(result);
  console.log(`\n${text}`);
  if (quick) return;
  writeFileSync(new URL('soak.md', folder), text);
  writeFileSync(new URL('soak.svg', folder), chart(result));
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
    `Node ${process.versions.node}, ${process.platform}-${process.arch}; \`npm run bench -- soak\`. ` +
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

import { count, mebibytes, mostOf, ranWith, table } from './format.mjs';
import { lineChart } from './line-chart.mjs';
import { publish, runProgram } from './page.mjs';

const library = new URL('../build/index.js', import.meta.url).href;
const program = new URL('./soak/process.mjs', import.meta.url);

export function run({ quick, isWhole }) {
  const result = runProgram(program, [library, quick ? 50_000 : 1_000_000], ['--expose-gc']);
  return publish('soak', report(result), { 'soak.svg': chart(result) }, isWhole);
}

function report({ total, seconds, outcomes, pending, history }) {
  const memory = ['heapUsed', 'arrayBuffers', 'rss'].map((field) =>
    mostOf(history, field, 4).map(mebibytes),
  );
  const columns = [...memory, mostOf(history, 'descriptors', 4)];
  const rows = [0, 1, 2, 3].map((quarter) => [
    String(quarter + 1),
    ...columns.map((each) => each[quarter]),
  ]);
  return `# Soak: memory over a million calls

${ranWith('soak')} Server and client in one process, 64 calls at a time: records, texts and binaries of 60 bytes
to 1 MB, exceptions, refusals, results that cannot be encoded or are too large, timeouts and aborted calls.

${count(total)} calls in ${count(seconds)} s: ${count(outcomes.returned)} returned, ${count(outcomes.failed)} failed as they should, ${outcomes.wrong} did neither.
Still pending at the end: ${pending.server} on the server, ${pending.client} on the client.

The maximum of each quarter, for the heap after a garbage collection:

${table(['quarter', 'heap, MiB', 'array buffers, MiB', 'RSS, MiB', 'descriptors'], rows)}
![memory over the calls](soak.svg)
`;
}

function chart({ history }) {
  const title = 'Memory of server and client over calls of mixed sizes and failures';
  return lineChart(
    title,
    history,
    ['calls', 'calls'],
    [
      ['RSS', 'rss', 'MiB'],
      ['heap', 'heapUsed', 'MiB'],
      ['array buffers', 'arrayBuffers', 'MiB'],
    ],
  );
}

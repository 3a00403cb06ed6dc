import { count, mebibytes, mostOf, ranWith, table } from './format.mjs';
import { lineChart } from './line-chart.mjs';
import { publish, runProgram } from './page.mjs';

const library = new URL('../build/index.js', import.meta.url).href;
const program = new URL('./stream-lives/process.mjs', import.meta.url);

export function run({ quick, isWhole }) {
  const result = runProgram(program, [library, quick ? 2000 : 100_000], ['--expose-gc']);
  console.error();
  if (result.wrong.length > 0) throw new Error(result.wrong.slice(0, 5).join('\n'));
  return publish('stream-lives', report(result), { 'stream-lives.svg': chart(result) }, isWhole);
}

function report({ total, seconds, outcomes, pending, before, left, history }) {
  const [first, second] = mostOf(history, 'rss').map((bytes) => mebibytes(bytes).toFixed(0));
  const rows = Object.keys(before).map((name) => [name, before[name], left[name]]);
  return `# Streams that end in every way

${ranWith('stream-lives')} Server and client in one process, 64 streams at a time. ${count(total)} streams took ${count(seconds)} s,
and every one ended as it should, at least ${count(Math.min(...Object.values(outcomes)))} in each of these ways: ${Object.keys(outcomes).join('; ')}.

${table(['', 'before', 'after'], rows)}
Afterwards, the server had ${pending.server} pending calls and the client ${pending.client}. Resident memory was at most
${first} MiB in the first half and ${second} MiB in the second.

![memory, descriptors and generators](stream-lives.svg)
`;
}

function chart({ history }) {
  return lineChart(
    'What the process holds while streams come and go',
    history,
    ['streams', 'streams'],
    [
      ['heap', 'heapUsed', 'MiB'],
      ['descriptors', 'descriptors'],
      ['open generators', 'open'],
    ],
  );
}

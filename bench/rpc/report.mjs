// The page that the benchmark of remote calls writes, and its chart.
import { spawnSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { barChart } from '../chart.mjs';
import { checkGoals, WHY } from './goals.mjs';
import { versions } from './install.mjs';
import { COLUMNS } from './measure.mjs';
import { peers } from './peers/index.mjs';
import { isPinned } from './pin.mjs';
import { cpuOf, rateOf } from './statistics.mjs';
import { LEAST_NOISE, noiseOf, noiseOfAll } from './runs.mjs';

const titleOf = (peer) => peers[peer].title;

export function reportOf(results, agreement) {
  const { figures, latency } = results;
  const shown = figures.filter(({ extra }) => !extra);
  return [
    '# Remote calls\n',
    aboutMachine(results),
    inShort(shown),
    goalTable(figures),
    cpuTable(shown, figures),
    rateTable(shown),
    latencyTable(latency),
    threadTable(shown),
    aboutMeasuring(results),
    agreement,
  ]
    .filter(Boolean)
    .join('\n');
}

export const machine = () =>
  `${cpus().length} × ${cpus()[0].model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Linux ${output('uname', '-r')}; Node ${process.versions.node}; ${output('rustc', '--version')}`;

function output(command, ...args) {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout?.trim() ?? '';
}

function aboutMachine({ started, seconds, notes }) {
  const date = started.toISOString().slice(0, 16).replace('T', ' ');
  const lines = [
    `\`npm run bench -- rpc\` on ${date} UTC, in ${(seconds / 60).toFixed(1)} minutes.`,
    `${machine()}.`,
    `${versions().join(', ')}: the newest releases that support Node 20.`,
    ...new Set(notes),
  ];
  return `${lines.map((line) => `- ${line}\n`).join('')}`;
}

/** What other pages repeat. */
function inShort(shown) {
  const names = ['backwater', 'grpc', 'json', 'json-hmac'];
  const titles = ['backwater', 'grpc-js', 'JSON over HTTP', 'JSON with HMAC'];
  const rows = ['server', 'client'].flatMap((side) =>
    ['1 record', '20 records', '10,000 records', '1 MB'].map((column) => [
      `${side}, ${column}`,
      ...names.map((peer) => {
        const found = shown.find(
          (figure) => figure.peer === peer && figure.column === column && figure.side === side,
        );
        return found?.samples.length > 0 ? time(cpuOf(found).median) : '–';
      }),
    ]),
  );
  return `## In short

CPU time per call, of the whole process. Only backwater and "JSON with HMAC" authenticate messages.

${table(['', ...titles], rows)}`;
}

function goalTable(figures) {
  const goals = checkGoals(figures, titleOf);
  if (goals.length === 0) return '';
  const rows = goals.map(({ what, goal, ratio: { median, half }, reached }) => {
    const verdict = reached ? 'reached' : `**not reached**, [why](${WHY})`;
    return [what, goal, `${digits(median)} ×`, percent(half / median), verdict];
  });
  return `## Goals

${goals.filter(({ reached }) => reached).length} of ${goals.length} are reached in this run. Ratios are taken within each round; ± is half the distance between the smallest and the
largest.

${table(['what', 'goal', 'measured', '±', ''], rows, ['', '--:', '--:', '--:', ''])}`;
}

/** A line for each peer; two cells for each column, for server and client. */
function cpuTable(shown, figures) {
  return `## CPU per call

Microseconds of CPU that the whole process takes for a call. Smaller is better.

${bothSides(shown, (figure) => withNoise(cpuOf(figure)))}
${footnotes(shown, figures)}
![CPU per call](rpc.svg)
`;
}

function rateTable(shown) {
  return `## Calls per second

A server has only the cores that the load generator leaves it, so this says less than the CPU per call.

${bothSides(shown, (figure) => withNoise(rateOf(figure)))}`;
}

function bothSides(shown, cellOf) {
  const columns = Object.keys(COLUMNS).filter((name) =>
    shown.some(({ column }) => column === name),
  );
  const heads = columns.flatMap((column) => [`${column}: server`, 'client']);
  const rows = Object.keys(peers)
    .map((peer) => [
      titleOf(peer),
      ...columns.flatMap((column) =>
        ['server', 'client'].map((side) => {
          const found = shown.find(
            (figure) => figure.peer === peer && figure.column === column && figure.side === side,
          );
          return found?.samples.length > 0 ? cellOf(found) : '–';
        }),
      ),
    ])
    .filter(([, ...cells]) => cells.some((cell) => cell !== '–'));
  return table(['', ...heads], rows);
}

function footnotes(shown, figures) {
  const chosen = shown.filter(({ connections, samples }) => connections && samples.length > 0);
  const text = Object.keys(peers).flatMap((peer) => {
    const counts = ['server', 'client'].flatMap((side) => {
      const those = chosen.filter((figure) => figure.peer === peer && figure.side === side);
      const list = [...new Set(those.map(({ connections }) => connections))].sort();
      return list.length > 0 ? [`${side} ${list.join(' or ')}`] : [];
    });
    return counts.length > 0 ? [`${titleOf(peer)} (${counts.join(', ')})`] : [];
  });
  const alone = figures.find(({ extra }) => extra);
  const lines = [];
  if (text.length > 0)
    lines.push(
      `Calls share as many connections as make them cheapest, out of 1, 2 and 4: ${text.join('; ')}.`,
    );
  if (alone?.samples.length > 0)
    lines.push(
      `With a connection for each of 64 calls, the server of grpc-js takes ${digits(cpuOf(alone).median)} µs for one record.`,
    );
  return lines.length > 0 ? `${lines.join('\n')}\n` : '';
}

function latencyTable(latency) {
  if (latency.length === 0) return '';
  const pinned = isPinned
    ? 'The load generator has a core of its own.'
    : 'With two cores, the load generator cannot have one of its own, so the slowest hundredth waits for a core rather than for the server.';
  const rows = latency.map(({ title, rate, p50, p99 }) => [title, ...[rate, p50, p99].map(digits)]);
  return `## Latency at half load

One record; each server receives half of the calls per second that it can answer, at fixed times. Microseconds from
when a call is due, which counts what a stall delays; for the servers of HTTP/2, from when h2load sends it. ${pinned}

${table(['', 'calls/s', 'p50', 'p99'], rows)}`;
}

function threadTable(shown) {
  const own = shown.filter(({ peer }) => peer === 'backwater');
  if (own.length === 0) return '';
  const rows = own.map((figure) => {
    const at = (part) => digits(cpuOf(figure, part).median);
    return [`${figure.column}, ${figure.side}`, at('main'), at('io'), at('all')];
  });
  return `## Where backwater's CPU goes

Microseconds per call. The rest is the pool, which takes messages above 64 KiB, and V8's own threads.

${table(['', 'JavaScript thread', 'I/O thread', 'process'], rows)}`;
}

function aboutMeasuring({ options, figures }) {
  const { typical, most } = noiseOfAll(figures);
  return `## How this is measured

- Every peer decodes its arguments, calls a function that returns them, and encodes the result. No peer compresses.
  backwater signs and verifies each message, and so do Erlang and "JSON with HMAC"; the others do not authenticate.
- Columns: 64 calls in flight for 1 and for 20 records, and 4 for 10,000 records (1.8 MB) and for a binary of 1 MB.
  "One in flight" makes one call of one record after the other.
- A server is measured alone: a load generator replays one request, over HTTP/1.1 with a connection for each call in
  flight, or over HTTP/2 with h2load. capnweb and zeromq, whose requests cannot be replayed, are measured with their
  own clients.
- A client is measured alone: backwater against the Rust server, undici against a server that sends the same bytes to
  every request, the others against a server of their kind. With one call in flight, client and server are of the
  same kind; undici calls Fastify, Bun and Deno, and backwater calls Erlang.
- Each process runs until its CPU per call stops falling; then follow ${options.rounds} rounds of ${options.seconds} s, in turns. Figures are medians.
- Noise: ± is half the distance between the smallest and the largest round, and at least ${LEAST_NOISE * 100} %. It is ${percent(typical)} for half of the
  figures and at most ${percent(most)} for nine in ten.
`;
}

const withNoise = (value) => `${digits(value.median)} ±${percent(noiseOf(value))}`;

const percent = (share) => `${(share * 100).toFixed(0)} %`;

const time = (micros) => (micros >= 1000 ? `${digits(micros / 1000)} ms` : `${digits(micros)} µs`);

/** Three digits, or all of them before the point. */
export function digits(value) {
  return value >= 1000
    ? Math.round(value).toLocaleString('en')
    : Number(value.toPrecision(3)).toString();
}

export function table(heads, rows, aligns = ['', ...heads.slice(1).map(() => '--:')]) {
  return [
    `| ${heads.join(' | ')} |`,
    `| ${aligns.map((align) => align || '---').join(' | ')} |`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n');
}

/** CPU per call for one record, by peer. */
export function chartOf({ figures }) {
  const bars = (side) =>
    Object.keys(peers).map((peer) => {
      const found = figures.find(
        (figure) =>
          figure.column === '1 record' &&
          figure.side === side &&
          figure.peer === peer &&
          !figure.extra,
      );
      const value = found?.samples.length > 0 ? cpuOf(found).median : 0;
      return { name: titleOf(peer), value, label: value === 0 ? '' : digits(value) };
    });
  return barChart('One record: microseconds of CPU per call', {
    server: bars('server'),
    client: bars('client'),
  });
}

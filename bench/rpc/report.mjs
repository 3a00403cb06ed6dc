import { spawnSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { barChart } from '../chart.mjs';
import { digits, percent, table } from '../format.mjs';
import { checkGoals } from './goals.mjs';
import { versions } from './install.mjs';
import { COLUMNS } from './measure.mjs';
import { peers } from './peers/index.mjs';
import { isPinned } from './pin.mjs';
import { LEAST_NOISE, noiseOf, noiseOfAll } from './runs.mjs';
import { cpuOf, find, rateOf } from './statistics.mjs';

const SIDES = ['server', 'client'];
const titleOf = (peer) => peers[peer].title;

export function reportOf(results, effort, agreement) {
  const { figures, latency } = results;
  return [
    '# Remote calls\n',
    aboutRun(results),
    inShort(figures),
    goalTable(figures),
    peerTable(figures, latency),
    threadTable(figures),
    aboutMeasuring(figures, effort),
    agreement,
  ]
    .filter(Boolean)
    .join('\n');
}

function aboutRun({ started, seconds, notes }) {
  const output = (...command) =>
    spawnSync(command[0], command.slice(1), { encoding: 'utf8' }).stdout?.trim() ?? '';
  const date = started.toISOString().slice(0, 16).replace('T', ' ');
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  const lines = [
    `\`npm run bench -- rpc\` on ${date} UTC, in ${(seconds / 60).toFixed(1)} minutes.`,
    `${cpus().length} × ${cpus()[0].model.trim()}, ${memory} GiB; Linux ${output('uname', '-r')}; Node ${process.versions.node}; ${output('rustc', '--version')}.`,
    `${versions().join(', ')}: the newest releases that support Node 20.`,
    ...new Set(notes),
  ];
  return lines.map((line) => `- ${line}\n`).join('');
}

function inShort(figures) {
  const titles = {
    backwater: 'backwater',
    grpc: 'grpc-js',
    json: 'JSON over HTTP',
    'json-hmac': 'JSON with HMAC',
  };
  const rows = SIDES.flatMap((side) =>
    ['1 record', '20 records', '10,000 records', '1 MB'].map((column) => [
      `${side}, ${column}`,
      ...Object.keys(titles).map((peer) => {
        const found = find(figures, column, side, peer);
        return found && time(cpuOf(found).value);
      }),
    ]),
  );
  return `## In short

CPU time per call, of the whole process. Only backwater and "JSON with HMAC" authenticate messages.

${table(['', ...Object.values(titles)], rows)}`;
}

function goalTable(figures) {
  const goals = checkGoals(figures, titleOf);
  if (goals.length === 0) return '';
  const rows = goals.map(({ what, goal, ratio: { value, half }, reached }) => [
    what,
    goal,
    `${digits(value)} ×`,
    percent(half / value),
    reached ? 'reached' : '**not reached**',
  ]);
  return `## Goals

CPU per call, relative to the peer's. This run reaches ${goals.filter(({ reached }) => reached).length} of ${goals.length} goals;
[why it misses the others](../decisions/cpu-goals.md). ± is half the distance between the smallest and the largest ratio of a round.

${table(['', 'goal', 'measured', '±', ''], rows)}`;
}

/** A line for each peer, with server and client of each column. */
function peerTable(figures, latency) {
  const sides = Object.keys(COLUMNS).flatMap((column) => SIDES.map((side) => [column, side]));
  const heads = sides.map(([column, side]) => (side === 'server' ? `${column}: server` : side));
  const rows = Object.keys(peers).map((peer) => {
    const cells = sides.map(([column, side]) => {
      const found = find(figures, column, side, peer);
      if (found === undefined) return undefined;
      const noise = noiseOf(found);
      const shown = Object.values(LEAST_NOISE).includes(noise)
        ? ''
        : ` ±${percent(noise).replace(' ', '')}`;
      return `${digits(cpuOf(found).value)}${shown}<br>${digits(rateOf(found).value)}`;
    });
    const { p50, p99 } = latency.find((each) => each.peer === peer) ?? {};
    return [titleOf(peer), ...cells, p50, p99];
  });
  const shown = rows.filter(([, ...cells]) => cells.some((cell) => cell !== undefined));
  return `## All peers

Each cell has the CPU that the process takes per call, in microseconds, and below it the calls per second. p50 and p99
are the latency of one record at half load, in microseconds.

${table(['', ...heads, 'p50', 'p99'], shown)}
${footnotes(figures)}![CPU per call](rpc.svg)
`;
}

function footnotes(figures) {
  const chosen = figures.filter(({ connections, extra }) => connections && !extra);
  const counts = Object.keys(peers).flatMap((peer) => {
    const list = chosen.filter((each) => each.peer === peer).map(({ connections }) => connections);
    return list.length > 0 ? [`${titleOf(peer)} ${[...new Set(list)].sort().join(' or ')}`] : [];
  });
  const alone = figures.find(({ extra, samples }) => extra && samples.length > 0);
  const lines = [];
  if (counts.length > 0)
    lines.push(
      `Clients that multiplex use 1, 2 or 4 connections, whichever is cheapest: ${counts.join('; ')}.`,
    );
  if (alone !== undefined)
    lines.push(
      `With one connection for each of the 64 calls, grpc-js's server takes ${digits(cpuOf(alone).value)} µs for one record.`,
    );
  return lines.length > 0 ? `${lines.join('\n')}\n\n` : '';
}

function threadTable(figures) {
  const own = figures.filter(({ peer, samples }) => peer === 'backwater' && samples.length > 0);
  if (own.length === 0) return '';
  const rows = own.map((figure) => [
    `${figure.column}, ${figure.side}`,
    ...['main', 'io', 'all'].map((part) => cpuOf(figure, part).value),
  ]);
  return `## Where backwater's CPU goes

Microseconds of CPU per call. The rest is the pool, which handles messages above 64 KiB, and V8's own threads.

${table(['', 'JavaScript thread', 'I/O thread', 'process'], rows)}`;
}

function aboutMeasuring(figures, { rounds, seconds }) {
  const { typical, most } = noiseOfAll(figures);
  const pinned = isPinned
    ? 'The load generator has a core of its own.'
    : 'With two cores, the load generator has none of its own, so p99 shows the wait for a core rather than for the server.';
  return `## How this is measured

- Every peer decodes its arguments, calls a function that returns them, and encodes the result; none compresses.
  backwater, Erlang and "JSON with HMAC" sign and verify each message; the others do not authenticate.
- 64 calls are in flight for 1 and 20 records, and 4 for 10,000 records (1.8 MB) and for a binary of 1 MB. "One in
  flight" is one call of one record at a time.
- Each side is measured alone where possible. A load generator or h2load replays one request to a server. backwater's
  client calls the Rust server, undici calls a server that answers every request with the same bytes, and the others
  call a server of their kind. With one in flight, client and server are of the same kind, except that undici calls
  Fastify, Bun and Deno, and backwater calls Erlang.
- Each process warms up until its CPU per call stops falling. Then peers take turns in ${rounds} rounds of ${seconds} s.
  Figures are of the second best round, because other work on the machine only slows rounds down.
- At half load, a server receives calls of one record at half the rate that it can serve, at fixed times. Latency counts
  from when a call is due, or with h2load from when it is sent. ${pinned}
- Noise: ± is half the distance between the smallest and the largest round, but at least ${percent(LEAST_NOISE.usual)}, or ${percent(LEAST_NOISE['one in flight'])} for one
  in flight, which the table omits: earlier runs differed by that much. It is at most ${percent(typical)} for half of the figures, and at most ${percent(most)} for nine in ten. From
  run to run, the speed of a shared machine changes by more, for all peers alike: compare ratios.
`;
}

const time = (micros) => (micros >= 1000 ? `${digits(micros / 1000)} ms` : `${digits(micros)} µs`);

export function chartOf({ figures }) {
  const bars = (side) =>
    Object.keys(peers).map((peer) => {
      const found = find(figures, '1 record', side, peer);
      const value = found && cpuOf(found).value;
      return { name: titleOf(peer), value: value ?? 0, label: value ? digits(value) : '' };
    });
  const groups = { server: bars('server'), client: bars('client') };
  return barChart('One record: microseconds of CPU per call', groups);
}

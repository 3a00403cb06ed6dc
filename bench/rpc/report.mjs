// The results as Markdown and as charts.
import { spawnSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { barChart } from '../chart.mjs';
import { versions } from './install.mjs';
import { goalsTable } from './goals.mjs';
import { peers } from './peers/index.mjs';
import { SECTIONS } from './plan.mjs';
import { median, spread } from './statistics.mjs';

export function reportOf(results) {
  const { cells, options } = results;
  const parts = [
    '# Remote calls\n',
    about(results),
    goalsTable(results),
    ...Object.keys(SECTIONS).flatMap((section) => sectionOf(section, cells, options)),
    ...extrasOf(results.extras),
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}

function about({ started, seconds, options, notes, cells }) {
  const { rounds, seconds: each } = options;
  const failures = cells.flatMap(({ section, workload, inFlight, peer, failure, samples }) => {
    const errors = samples.reduce((sum, sample) => sum + sample.errors, 0);
    const what = failure ?? (errors > 0 ? `${errors} failed calls` : undefined);
    return what ? [`${section}, ${workload} × ${inFlight}, ${peers[peer].title}: ${what}`] : [];
  });
  return `${started.toISOString().slice(0, 16).replace('T', ' ')} UTC, ${seconds.toFixed(0)} s in all; \`npm run bench -- rpc\`.

- ${cpus().length} × ${cpus()[0].model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Linux ${kernel()}; Node ${process.versions.node}; ${rustc()}
- ${versions().join(', ')}
- Client, server and generator of load are processes of their own on the same machine, pinned to nothing; ${rounds} rounds of ${each} s for each figure, in turns. Rates are medians, ± is half the distance between smallest and largest.
- Every peer decodes the arguments, calls a function that returns them, and encodes the result. Nobody compresses. backwater signs and checks each message and keeps all its limits; "HMAC and digest" does the same with node:crypto; the others have no authentication at all.
- CPU is in microseconds a call: of the process in all, and in brackets of its JavaScript thread.
${[...notes, ...failures].map((note) => `- ${note}\n`).join('')}`;
}

function kernel() {
  return spawnSync('uname', ['-r'], { encoding: 'utf8' }).stdout?.trim() ?? '';
}

function rustc() {
  return spawnSync('rustc', ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? '';
}

const SECTION_NOTES = {
  server:
    'One request is replayed: over HTTP/1.1 by the generator of load of `crates/transport/examples/peer`, over HTTP/2 by h2load. Each call in flight has a connection of its own, but where it says "4 connections": there they share four, which saves the servers of HTTP/2 most of their system calls.',
  client:
    'backwater calls the Rust server; undici is answered by a server that returns the same bytes to every request; clients of HTTP/2 call the server of their kind, which is faster than they are.',
  both: 'Each client with the server of its kind.',
};

function sectionOf(section, cells, options) {
  const own = cells.filter((cell) => cell.section === section && cell.samples.length > 0);
  if (own.length === 0) return [];
  const works = [...new Set(own.map(({ workload }) => workload))];
  const chart = options.goals || options.quick ? '' : `\n![rates](rpc-${section}.svg)\n`;
  return [
    `## ${SECTIONS[section].title}\n\n${SECTION_NOTES[section]}\n${chart}`,
    ...works.map((workload) => tableOf(section, workload, own)),
  ];
}

function tableOf(section, workload, cells) {
  const own = cells.filter((cell) => cell.workload === workload);
  const columns = [...new Set(own.map(({ inFlight }) => inFlight))];
  const names = [...new Set(own.map(({ peer }) => peer))];
  const heads = columns.map((count) => `${count} in flight: calls/s | CPU`);
  const lines = [
    `### ${workload}\n`,
    `| | ${heads.join(' | ')} |`,
    `| --- |${columns.map(() => ' --: | --: |').join('')}`,
  ];
  for (const name of names) {
    const entries = columns.map((count) => {
      const cell = own.find(({ peer, inFlight }) => peer === name && inFlight === count);
      return cell === undefined ? '– | –' : `${rateText(cell)} | ${cpuText(section, cell)}`;
    });
    lines.push(`| ${peers[name].title} | ${entries.join(' | ')} |`);
  }
  return `${lines.join('\n')}\n`;
}

const rates = ({ samples }) => samples.map(({ rate }) => rate);

function rateText(cell) {
  return `${grouped(median(rates(cell)))} ±${(spread(rates(cell)) * 100).toFixed(0)} %`;
}

/** Figures of three digits and more. */
function grouped(value) {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function cpuText(section, cell) {
  const roles = { server: ['server'], client: ['client'], both: ['server', 'client'] }[section];
  return roles
    .map((role) => {
      const used = (part) => cpuOf(cell, role, part);
      const all = used('all');
      if (all === undefined) return '?';
      const isNode = cell.peer !== 'rust' && cell.peer !== 'erlang';
      return isNode ? `${grouped3(all)} (${grouped3(used('main'))})` : grouped3(all);
    })
    .join(' + ');
}

/** Median microseconds of CPU a call. */
export function cpuOf({ samples }, role, part) {
  const values = samples.flatMap(({ cpu }) => (cpu[role] ? [cpu[role][part]] : []));
  return values.length === 0 ? undefined : median(values);
}

function grouped3(value) {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

function extrasOf({ latency, fairness, workers, idle }) {
  return [
    latencyOf(latency),
    fairnessOf(fairness),
    workers && !workers.failure
      ? `## Worker threads\n\nA function that computes for about a millisecond, 16 calls in flight: ${grouped(median(workers.none))} calls/s without workers, ${grouped(median(workers.two))} with two.\n`
      : '',
    idle && !idle.failure
      ? `## Idle connections\n\n${idle.connections.toLocaleString('en')} connections that have made one call each and are idle: ${(idle.each / 1024).toFixed(1)} KiB of resident memory each.\n`
      : '',
  ];
}

function fairnessOf(rounds) {
  if (!Array.isArray(rounds) || rounds.length === 0) return '';
  const cases = { alone: 'alone', single: 'one of 8 MB a second', beside: '8 MB after 8 MB' };
  const lines = ['backwater', 'rust'].flatMap((peer) =>
    Object.entries(cases).map(([name, title]) => {
      const at = (key) => grouped(median(rounds.map((round) => round[peer][name][key])));
      return `| ${peer}, ${title} | ${at('p50')} | ${at('p99')} | ${at('max')} |`;
    }),
  );
  const rate = (peer) => grouped(median(rounds.map((round) => round[peer].large)));
  return `## Large calls beside small ones\n\n1,000 calls of one record a second; alone, with a call of 8 MB in each second, and while one call of 8 MB follows the other (${rate('backwater')} a second, Rust ${rate('rust')}). Times in microseconds, from when each call was due.\n\n| | p50 | p99 | max |\n| --- | --: | --: | --: |\n${lines.join('\n')}\n`;
}

function latencyOf(rows) {
  if (!Array.isArray(rows) || rows.length === 0) return '';
  const lines = rows.map((row) => {
    const at = ['p50', 'p90', 'p99', 'p999', 'max'].map((name) => grouped(row[name]));
    return `| ${peers[row.peer].title} | ${grouped(row.rate)} | ${at.join(' | ')} |`;
  });
  return `## Latency of servers at a fixed rate

One record, 64 connections, so many requests due each second; then at half of what each can do. Microseconds, from when a request was due, whether or not a connection was free: what a stall delays is counted.

| | calls/s | p50 | p90 | p99 | p99.9 | max |
| --- | --: | --: | --: | --: | --: | --: |
${lines.join('\n')}
`;
}

/** File name → SVG. */
export function chartsOf({ cells }) {
  return Object.fromEntries(
    Object.keys(SECTIONS).map((section) => [`rpc-${section}.svg`, chartOf(section, cells)]),
  );
}

/** Rates by peer, relative to the best at each workload, so that one scale serves all of them. */
function chartOf(section, cells) {
  const own = cells.filter((cell) => cell.section === section && cell.samples.length > 0);
  const shown = { '1 record': 64, '20 records': 64, '10,000 records': 4, '1 MB binary': 4 };
  const groups = {};
  for (const [workload, count] of Object.entries(shown)) {
    const those = own.filter((cell) => cell.workload === workload && cell.inFlight === count);
    if (those.length === 0) continue;
    const best = Math.max(...those.map((cell) => median(rates(cell))));
    groups[`${workload} × ${count}`] = SECTIONS[section].peers.map((name) => {
      const cell = those.find(({ peer }) => peer === name);
      const value = cell ? median(rates(cell)) : 0;
      return { name: peers[name].title, value: value / best, label: `${grouped(value)}/s` };
    });
  }
  return barChart(`${SECTIONS[section].title}: calls a second, beside the best`, groups);
}

// What the library sets itself, and whether a run reached it.
import { median } from './statistics.mjs';

/** Reads the figures of a run. */
class Figures {
  constructor({ cells, extras }) {
    this.cells = cells;
    this.extras = extras;
  }

  cell(section, workload, inFlight, peer) {
    const cell = this.cells.find(
      (one) =>
        one.section === section &&
        one.workload === workload &&
        one.inFlight === inFlight &&
        one.peer === peer,
    );
    if (cell === undefined || cell.samples.length === 0) throw new Error('not measured');
    return cell;
  }

  /** How many times a peer's rate, round by round. */
  timesRate(section, workload, inFlight, other) {
    const own = this.cell(section, workload, inFlight, 'backwater').samples;
    const theirs = this.cell(section, workload, inFlight, other).samples;
    return own.flatMap((sample, round) =>
      theirs[round] ? [sample.rate / theirs[round].rate] : [],
    );
  }
}

const times = (section, workload, inFlight, other) => (figures) =>
  figures.timesRate(section, workload, inFlight, other);

/** The goals: `values` are those of the rounds, the median counts. */
const goals = [
  {
    what: 'server, one record, 64 connections: CPU a call against the Rust server',
    most: 1.5,
    unit: '×',
    values: (figures) => {
      const own = figures.cell('server', '1 record', 64, 'backwater').samples;
      const rust = figures.cell('server', '1 record', 64, 'rust').samples;
      return own.map((sample, round) => sample.cpu.server.all / rust[round].cpu.server.all);
    },
  },
  {
    what: 'CPU of the JavaScript thread a call, one record, 64 connections',
    most: 2.5,
    unit: ' µs',
    values: (figures) =>
      figures.cell('server', '1 record', 64, 'backwater').samples.map(({ cpu }) => cpu.server.main),
  },
  ...[
    ['server, one record, against grpc-js', 8, 'server', '1 record', 64, 'grpc'],
    ['server, 20 records, against grpc-js', 6, 'server', '20 records', 64, 'grpc'],
    [
      'the same, one record, against grpc-js with 4 connections',
      undefined,
      'server',
      '1 record',
      64,
      'grpc, 4',
    ],
    [
      'the same, 20 records, against grpc-js with 4 connections',
      undefined,
      'server',
      '20 records',
      64,
      'grpc, 4',
    ],
    [
      'server, against node:http + JSON with HMAC and digest',
      4,
      'server',
      '1 record',
      64,
      'json-hmac',
    ],
    ['server, against node:http + JSON without crypto', 1.5, 'server', '1 record', 64, 'json'],
    ['client, one record, 64 in flight, against grpc-js', 10, 'client', '1 record', 64, 'grpc'],
    [
      'client, against undici + JSON with HMAC and digest',
      3,
      'client',
      '1 record',
      64,
      'json-hmac',
    ],
    ['both, one record, 64 in flight, against grpc-js', 8, 'both', '1 record', 64, 'grpc'],
    ['both, 10,000 records, 4 in flight, against grpc-js', 3, 'both', '10,000 records', 4, 'grpc'],
  ].map(([what, least, ...where]) => ({ what, least, unit: '×', values: times(...where) })),
  {
    what: 'p50 at 1 in flight, server, against the Rust server',
    most: 2.5,
    unit: '×',
    values: (figures) => {
      const own = figures.cell('server', '1 record', 1, 'backwater').samples;
      const rust = figures.cell('server', '1 record', 1, 'rust').samples;
      return own.map((sample, round) => sample.latency.p50 / rust[round].latency.p50);
    },
  },
  {
    what: 'p99 against p50 at 64 connections, at half of the highest rate',
    most: 4,
    unit: '×',
    values: ({ extras }) => tailsOf(extras, 'backwater'),
  },
  {
    what: 'the same, the Rust server',
    unit: '×',
    values: ({ extras }) => tailsOf(extras, 'rust'),
  },
  {
    what: 'one call of 8 MB in each second beside 1,000 small ones: p99 of the small ones against that alone',
    most: 3,
    unit: '×',
    values: ({ extras }) =>
      extras.fairness.map(({ backwater }) => backwater.single.p99 / backwater.alone.p99),
  },
  {
    what: 'the same beside one call of 8 MB after the other',
    most: 3,
    unit: '×',
    values: ({ extras }) =>
      extras.fairness.map(({ backwater }) => backwater.beside.p99 / backwater.alone.p99),
  },
  {
    what: 'the same, the Rust server',
    unit: '×',
    values: ({ extras }) => extras.fairness.map(({ rust }) => rust.beside.p99 / rust.alone.p99),
  },
  {
    what: '`workers: 2` with 1 ms of CPU a call, against none',
    least: 1.7,
    unit: '×',
    values: ({ extras }) =>
      extras.workers.two.map((rate, round) => rate / extras.workers.none[round]),
  },
  {
    what: '10,000 idle connections, memory each',
    most: 12,
    unit: ' KiB',
    values: ({ extras }) => [extras.idle.each / 1024],
  },
];

export function goalsTable(results) {
  const figures = new Figures(results);
  const lines = goals.flatMap(({ what, least, most, unit, values }) => {
    let found;
    try {
      found = values(figures);
    } catch {
      return [];
    }
    const value = median(found);
    const reached = least === undefined ? value <= most : value >= least;
    const goal = least === undefined ? `at most ${most}${unit}` : `at least ${least}${unit}`;
    const range = `${show(Math.min(...found))} to ${show(Math.max(...found))}`;
    const hasGoal = least !== undefined || most !== undefined;
    return [
      `| ${what} | ${hasGoal ? goal : 'none'} | ${show(value)}${unit} | ${range} | ${hasGoal ? (reached ? 'reached' : '**not reached**') : ''} |`,
    ];
  });
  if (lines.length === 0) return '';
  return `## Goals

Ratios are taken within each round; the median counts.

| what | goal | median | from to | |
| --- | --: | --: | --: | --- |
${lines.join('\n')}
`;
}

function show(value) {
  return value.toPrecision(3);
}

/** How long the slow answers of a server take, for each round. */
function tailsOf({ latency }, server) {
  return latency.filter(({ peer }) => peer === server).at(-1).ratios;
}

// Where the time of a call goes, and what the options change: the figures behind docs/performance.md.
import { publish } from './page.mjs';
import { memoryOf } from './rpc/cpu.mjs';
import { installPeers } from './rpc/install.mjs';
import { buildTool } from './rpc/rust-tool.mjs';
import { median } from './rpc/statistics.mjs';

export async function run(args) {
  const quick = args.includes('--quick');
  installPeers();
  buildTool();
  const { Stage } = await import('./rpc/stage.mjs');
  const stage = new Stage();
  const measurer = new Measurer(stage, quick);
  const only = args.indexOf('--only');
  const sections = [
    stages,
    sizes,
    spinning,
    pool,
    ioThreads,
    compression,
    workers,
    active,
    large,
    connections,
  ];
  const chosen = sections.filter(({ name }) => only < 0 || name.includes(args[only + 1]));
  const parts = [];
  try {
    for (const section of chosen) {
      console.error(`measuring: ${section.name}`);
      parts.push(await section(measurer));
    }
  } finally {
    stage.close();
  }
  const head = `# Costs\n\n${new Date().toISOString().slice(0, 10)}; Node ${process.versions.node}; \`npm run bench -- costs\`. Medians of ${measurer.rounds} rounds, in turns; CPU in microseconds a call.\n`;
  const text = `${[head, ...parts].join('\n')}`;
  return publish('costs', text, {}, !quick && only < 0);
}

class Measurer {
  constructor(stage, quick) {
    this.stage = stage;
    this.rounds = quick ? 1 : 3;
    this.seconds = quick ? 0.2 : 0.5;
  }

  /** Measures several cases in turns; `what` → medians. */
  async all(method, cases) {
    const samples = cases.map(() => []);
    for (const what of cases) await this.stage[method]({ ...what, seconds: 0.2 });
    for (let round = 0; round < this.rounds; round++) {
      for (const [index, what] of cases.entries()) {
        samples[index].push(await this.stage[method]({ ...what, seconds: this.seconds }));
      }
    }
    return samples.map((those) => {
      const of = (pick) => median(those.map(pick));
      const cpu = (role, part) =>
        those[0].cpu[role] ? of((sample) => sample.cpu[role][part]) : undefined;
      return {
        rate: of(({ rate }) => rate),
        p50: of(({ latency }) => latency?.p50 ?? Number.NaN),
        p99: of(({ latency }) => latency?.p99 ?? Number.NaN),
        server: { all: cpu('server', 'all'), main: cpu('server', 'main'), io: cpu('server', 'io') },
        client: { all: cpu('client', 'all'), main: cpu('client', 'main'), io: cpu('client', 'io') },
      };
    });
  }
}

const RECORD = '1 record';

function table(heads, rows) {
  return [
    `| ${heads.join(' | ')} |`,
    `| --- |${' --: |'.repeat(heads.length - 1)}`,
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
    '',
  ].join('\n');
}

function cell(value) {
  if (typeof value !== 'number') return value ?? '–';
  if (Number.isNaN(value)) return '–';
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

/** Every stage in Rust, without sockets; the fastest of many rounds. */
async function stages({ stage }) {
  const works = [RECORD, '20 records', '10,000 records', '1 MB'];
  const columns = [];
  for (const workload of works) columns.push(await stage.stages({ workload }));
  const names = Object.keys(columns[0]);
  const rows = names.map((name) => [name, ...columns.map((column) => column[name])]);
  return `## Stages in Rust\n\nMicroseconds on one thread without sockets or compression, the fastest of 40 rounds; the first three lines are bytes.\n\n${table(['', ...works], rows)}`;
}

async function sizes(measurer) {
  const counts = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 8_000_000];
  const cases = counts.map((count) => ({
    peer: 'backwater',
    workload: `${count} bytes`,
    inFlight: 1,
  }));
  const servers = await measurer.all('replay', cases);
  const clients = await measurer.all('pair', cases);
  const rows = counts.map((count, index) => {
    const { p50, server } = servers[index];
    const { client } = clients[index];
    const per = (server.all + client.all) / (count / 1024);
    return [count.toLocaleString('en'), p50, server.all, server.main, client.all, client.main, per];
  });
  return `## By size\n\nOne binary of this size there and back, one call at a time.\n\n${table(['bytes', 'p50 µs, server alone', 'server CPU', 'its JavaScript thread', 'client CPU', 'its JavaScript thread', 'CPU of both per KiB'], rows)}`;
}

/** Threads that spin: a server, a client, and both, beside JSON over plain HTTP. */
async function spinning(measurer) {
  const spins = [0, 50, 200];
  const named = (spin) => `spin: ${spin}`;
  const servers = spins.map((spin) => ({ name: named(spin), options: { spin } }));
  const clients = spins.map((spin) => ({ name: named(spin), clientOptions: { spin } }));
  const others = [
    { name: 'undici, JSON', peer: 'json' },
    { name: 'the same with HMAC and digest', peer: 'json-hmac' },
  ];
  const both = [
    { name: named(0), options: { spin: 0 }, clientOptions: { spin: 0 } },
    { name: 'the defaults' },
    ...others,
  ];
  return [
    '## spin\n\nOne record.\n',
    '### A server alone\n',
    await latencies(measurer, 'replay', servers, 'server'),
    '### A client alone, of a server that is faster\n',
    await latencies(measurer, 'call', [...clients, ...others], 'client'),
    '### A client and a server of the same kind\n',
    await latencies(measurer, 'pair', both, 'client'),
  ].join('\n');
}

/** A table of a few calls in flight, with the CPU of one side. */
async function latencies(measurer, method, variants, side) {
  const rows = [];
  for (const inFlight of [1, 2, 4, 16, 64]) {
    const cases = variants.map((variant) => ({
      peer: 'backwater',
      workload: RECORD,
      inFlight,
      ...variant,
    }));
    const results = await measurer.all(method, cases);
    results.forEach(({ rate, p50, p99, [side]: cpu }, index) =>
      rows.push([`${inFlight}, ${variants[index].name}`, rate, p50, p99, cpu.all, cpu.main]),
    );
  }
  const heads = [
    'in flight',
    'calls/s',
    'p50 µs',
    'p99 µs',
    `${side} CPU`,
    'its JavaScript thread',
  ];
  return table(heads, rows);
}

async function pool(measurer) {
  const values = [1, 4, 16, 64, 256];
  const cases = values.map((maxConnections) => ({
    peer: 'backwater',
    server: 'rust',
    workload: RECORD,
    inFlight: 256,
    clientOptions: { maxConnections },
  }));
  const results = await measurer.all('pair', cases);
  const rows = results.map(({ rate, p50, p99, client }, index) => [
    String(values[index]),
    rate,
    p50,
    p99,
    client.all,
  ]);
  return `## maxConnections of a client\n\nOne record, 256 calls in flight, against the Rust server.\n\n${table(['connections', 'calls/s', 'p50 µs', 'p99 µs', 'client CPU'], rows)}`;
}

async function ioThreads(measurer) {
  const cases = [RECORD, '20 records'].flatMap((workload) =>
    [1, 2].map((count) => ({
      peer: 'backwater',
      workload,
      inFlight: 64,
      options: { ioThreads: count },
    })),
  );
  const results = await measurer.all('replay', cases);
  const rows = results.map(({ rate, p50, p99, server }, index) => [
    `${cases[index].workload}, ${cases[index].options.ioThreads}`,
    rate,
    p50,
    p99,
    server.all,
  ]);
  return `## ioThreads of a server\n\n64 connections.\n\n${table(['I/O threads', 'calls/s', 'p50 µs', 'p99 µs', 'server CPU'], rows)}`;
}

/** Both ends compress, so client and server are measured together. */
async function compression(measurer) {
  const cases = [];
  const names = [];
  for (const workload of [RECORD, '20 records', '10,000 records']) {
    for (const level of [undefined, 1, 3, 6]) {
      const options =
        level === undefined
          ? { compressionThreshold: 2 ** 31 - 1 }
          : { compressionThreshold: 300, gzipLevel: level };
      const inFlight = workload === '10,000 records' ? 1 : 16;
      cases.push({ peer: 'backwater', workload, inFlight, options, clientOptions: options });
      names.push(`${workload}, ${level === undefined ? 'never' : `level ${level}`}`);
    }
  }
  const results = await measurer.all('pair', cases);
  const rows = results.map(({ rate, p50, server, client }, index) => [
    names[index],
    rate,
    p50,
    server.all,
    client.all,
  ]);
  return `## Compression\n\nClient and server together; from 300 bytes on.\n\n${table(['', 'calls/s', 'p50 µs', 'server CPU', 'client CPU'], rows)}`;
}

async function workers(measurer) {
  const cases = ['backwater, busy', 'backwater, busy, 2 workers'].map((peer) => ({
    peer,
    workload: RECORD,
    inFlight: 16,
  }));
  const results = await measurer.all('replay', cases);
  const rows = results.map(({ rate, p50, p99 }, index) => [['none', 'two'][index], rate, p50, p99]);
  return `## workers\n\nA function that computes for about a millisecond, 16 calls in flight.\n\n${table(['workers', 'calls/s', 'p50 µs', 'p99 µs'], rows)}`;
}

const ROOMY = { maxConnections: 30_000, maxCallsInFlight: 30_000 };

/** As many calls in flight as there are connections. */
async function active(measurer) {
  const counts = [1, 4, 16, 64, 256, 1024, 4096, 10_000];
  const cases = ['backwater', 'rust'].flatMap((peer) =>
    counts.map((inFlight) => ({ peer, workload: RECORD, inFlight, options: ROOMY })),
  );
  const results = await measurer.all('replay', cases);
  const rows = counts.map((count, index) => {
    const [own, rust] = [results[index], results[index + counts.length]];
    return [
      count.toLocaleString('en'),
      own.rate,
      own.p50,
      own.p99,
      own.server.all,
      rust.server.all,
    ];
  });
  return `## Busy connections\n\nOne record, the server alone, a call in flight on each connection.\n\n${table(['connections', 'calls/s', 'p50 µs', 'p99 µs', 'server CPU', 'CPU of the Rust server'], rows)}`;
}

/** Small calls at a fixed rate beside calls of 8 MB; the Rust server shows the part of the machine. */
async function large({ stage, rounds, seconds }) {
  const rows = [];
  for (const peer of ['backwater', 'rust']) {
    const small = { peer, workload: RECORD, inFlight: 16, rate: 1000, seconds: 4 * seconds };
    const big = { ...small, workload: '8000000 bytes', inFlight: 1, generator: 'large' };
    const cases = {
      alone: [small],
      'one of 8 MB per second': [small, { ...big, rate: 1 }],
      '8 MB after 8 MB': [small, { ...big, rate: undefined }],
    };
    for (const [name, whats] of Object.entries(cases)) {
      const samples = [];
      for (let round = 0; round < rounds; round++)
        samples.push((await Promise.all(whats.map((what) => stage.replay(what))))[0].latency);
      const at = (key) => median(samples.map((sample) => sample[key]));
      rows.push([`${peer}, ${name}`, at('p50'), at('p99'), at('max')]);
    }
  }
  return `## Large calls beside small ones\n\n1,000 calls of one record per second. Microseconds from when each call was due.\n\n${table(['', 'p50', 'p99', 'max'], rows)}`;
}

async function connections({ stage }) {
  const rows = [];
  for (const peer of ['backwater, idle', 'rust']) {
    const server = { peer, workload: RECORD };
    await stage.replay({ ...server, inFlight: 100, seconds: 1 });
    let before;
    for (const count of [1, 100, 1000, 10_000]) {
      const pid = await stage.idle({ ...server, connections: count });
      await new Promise((resolve) => setTimeout(resolve, 3000));
      const memory = memoryOf(pid);
      const each = before && (memory - before.memory) / 1024 / (count - before.count);
      rows.push([`${peer}, ${count.toLocaleString('en')}`, memory / 2 ** 20, each]);
      before = { memory, count };
    }
  }
  return `## Idle connections\n\nThe server's resident memory with this many connections, each of which has made one call.\n\n${table(['', 'MiB', 'KiB for each more'], rows)}`;
}

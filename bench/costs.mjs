// Where the time of a call goes, and what the options change.
import { setTimeout as sleep } from 'node:timers/promises';
import { count, mebibytes, ranWith, table } from './format.mjs';
import { publish } from './page.mjs';
import { memoryOf } from './rpc/cpu.mjs';
import { installPeers } from './rpc/install.mjs';
import { buildTool } from './rpc/rust-tool.mjs';
import { median } from './rpc/statistics.mjs';

const RECORD = '1 record';
const own = (what) => ({ peer: 'backwater', workload: RECORD, ...what });
/** By title; each returns its text, columns and rows. */
const SECTIONS = {
  'Stages in Rust': stages,
  'By size': sizes,
  'spin of a server': (measurer) =>
    spinning(
      measurer,
      'replay',
      [0, 50, 200].map((spin) => ({ name: `spin: ${spin}`, options: { spin } })),
    ),
  'spin of a client': (measurer) =>
    spinning(measurer, 'call', [
      ...[0, 50, 200].map((spin) => ({ name: `spin: ${spin}`, clientOptions: { spin } })),
      { name: 'undici, JSON', peer: 'json' },
      { name: 'undici, JSON with HMAC', peer: 'json-hmac' },
    ]),
  'maxConnections of a client': pool,
  'ioThreads of a server': ioThreads,
  Compression: compression,
  workers,
  'Busy connections': busy,
  'Large calls beside small ones': large,
  'Idle connections': idle,
};

export async function run({ quick, isWanted, isWhole }) {
  installPeers();
  buildTool();
  const { Stage } = await import('./rpc/stage.mjs');
  const stage = new Stage();
  const measurer = new Measurer(stage, quick);
  const parts = [];
  try {
    for (const [title, section] of Object.entries(SECTIONS)) {
      if (!isWanted(title)) continue;
      console.error(`measuring: ${title}`);
      const [text, heads, rows] = await section(measurer);
      parts.push(`## ${title}\n\n${text}\n\n${table(heads, rows)}`);
    }
  } finally {
    stage.close();
  }
  const head = `# Costs

${ranWith('costs')} Medians of ${measurer.rounds} rounds; the variants take turns. CPU is in microseconds per call.
`;
  return publish('costs', [head, ...parts].join('\n'), {}, isWhole);
}

class Measurer {
  constructor(stage, quick) {
    this.stage = stage;
    this.rounds = quick ? 1 : 3;
    this.seconds = quick ? 0.2 : 0.5;
  }

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
      const cpu = (role) => (those[0].cpu[role] ? of((sample) => sample.cpu[role].all) : undefined);
      return {
        rate: of(({ rate }) => rate),
        p50: of(({ latency }) => latency?.p50 ?? Number.NaN),
        p99: of(({ latency }) => latency?.p99 ?? Number.NaN),
        server: cpu('server'),
        client: cpu('client'),
      };
    });
  }
}

async function stages({ stage }) {
  const works = [RECORD, '20 records', '10,000 records', '1 MB'];
  const columns = [];
  for (const workload of works) columns.push(await stage.stages({ workload }));
  const isTime = (name) => !['answered', 'bytes', 'sent', 'inflate'].includes(name);
  const names = Object.keys(columns[0]).filter(isTime);
  // The digest is a difference, which noise can make negative.
  const shown = (time) => (time > 0 ? time : undefined);
  const rows = names.map((name) => [name, ...columns.map((column) => shown(column[name]))]);
  const text =
    'Microseconds on one thread, without sockets or compression, in the fastest of 40 rounds. A dash is less than the noise.';
  return [text, ['', ...works], rows];
}

async function sizes(measurer) {
  const counts = [1 << 10, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 8_000_000];
  const cases = counts.map((bytes) => own({ workload: `${bytes} bytes`, inFlight: 1 }));
  const servers = await measurer.all('replay', cases);
  const clients = await measurer.all('pair', cases);
  const rows = counts.map((bytes, index) => {
    const [{ p50, server }, { client }] = [servers[index], clients[index]];
    return [count(bytes), p50, server, client, (server + client) / (bytes / 1024)];
  });
  const heads = ['bytes', 'p50 µs, server alone', 'server CPU', 'client CPU', 'both, per KiB'];
  return ['A binary of this size there and back, one call at a time.', heads, rows];
}

async function spinning(measurer, method, variants) {
  const side = method === 'replay' ? 'server' : 'client';
  const rows = [];
  for (const inFlight of [1, 4, 16]) {
    const results = await measurer.all(
      method,
      variants.map((variant) => own({ inFlight, ...variant })),
    );
    for (const [index, { rate, p99, [side]: cpu }] of results.entries())
      rows.push([`${inFlight}, ${variants[index].name}`, rate, p99, cpu]);
  }
  return [`One record, the ${side} alone.`, ['in flight', 'calls/s', 'p99 µs', 'CPU'], rows];
}

async function pool(measurer) {
  const values = [1, 4, 16, 64, 256];
  const cases = values.map((maxConnections) =>
    own({ server: 'rust', inFlight: 256, clientOptions: { maxConnections } }),
  );
  const results = await measurer.all('pair', cases);
  const rows = results.map(({ rate, p99, client }, index) => [
    String(values[index]),
    rate,
    p99,
    client,
  ]);
  const text = 'One record, 256 calls in flight, against the Rust server.';
  return [text, ['connections', 'calls/s', 'p99 µs', 'client CPU'], rows];
}

async function ioThreads(measurer) {
  const cases = [RECORD, '20 records'].flatMap((workload) =>
    [1, 2].map((threads) => own({ workload, inFlight: 64, options: { ioThreads: threads } })),
  );
  const results = await measurer.all('replay', cases);
  const rows = results.map(({ rate, p99, server }, index) => {
    const { workload, options } = cases[index];
    return [`${workload}, ${options.ioThreads}`, rate, p99, server];
  });
  return ['64 connections.', ['I/O threads', 'calls/s', 'p99 µs', 'server CPU'], rows];
}

/** Both ends compress, so client and server are measured together. */
async function compression(measurer) {
  const cases = [];
  const names = [];
  for (const workload of [RECORD, '20 records', '10,000 records']) {
    for (const level of ['never', 1, 3, 6]) {
      const options =
        level === 'never'
          ? { compressionThreshold: 2 ** 31 - 1 }
          : { compressionThreshold: 300, gzipLevel: level };
      const inFlight = workload === '10,000 records' ? 1 : 16;
      cases.push(own({ workload, inFlight, options, clientOptions: options }));
      names.push(`${workload}, ${level === 'never' ? level : `level ${level}`}`);
    }
  }
  const results = await measurer.all('pair', cases);
  const rows = results.map(({ rate, server, client }, index) => [
    names[index],
    rate,
    server,
    client,
  ]);
  const text = 'Client and server together, compressing from 300 bytes on.';
  return [text, ['', 'calls/s', 'server CPU', 'client CPU'], rows];
}

async function workers(measurer) {
  const counts = [undefined, 2];
  const cases = counts.map((workers) =>
    own({ peer: 'backwater, busy', inFlight: 16, options: { workers } }),
  );
  const results = await measurer.all('replay', cases);
  const rows = results.map(({ rate, p99 }, index) => [counts[index] ?? 'none', rate, p99]);
  const text = 'A function that computes for about a millisecond, 16 calls in flight.';
  return [text, ['workers', 'calls/s', 'p99 µs'], rows];
}

async function busy(measurer) {
  const counts = [1, 16, 64, 256, 1024, 10_000];
  const options = { maxConnections: 30_000, maxCallsInFlight: 30_000 };
  const cases = ['backwater', 'rust'].flatMap((peer) =>
    counts.map((inFlight) => own({ peer, inFlight, options })),
  );
  const results = await measurer.all('replay', cases);
  const rows = counts.map((connections, index) => {
    const { rate, p99, server } = results[index];
    return [count(connections), rate, p99, server, results[index + counts.length].server];
  });
  const heads = ['connections', 'calls/s', 'p99 µs', 'server CPU', 'CPU of the Rust server'];
  return ['One record, the server alone, a call in flight on each connection.', heads, rows];
}

/** The Rust server shows the part of the machine. */
async function large({ stage, rounds, seconds }) {
  const rows = [];
  for (const peer of ['backwater', 'rust']) {
    const small = own({ peer, inFlight: 16, rate: 1000, seconds: 4 * seconds });
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
  const text = '1,000 calls of one record per second. Microseconds from when each call was due.';
  return [text, ['', 'p50', 'p99', 'max'], rows];
}

async function idle({ stage }) {
  const rows = [];
  for (const peer of ['backwater, idle', 'rust']) {
    const server = { peer, workload: RECORD };
    await stage.replay({ ...server, inFlight: 100, seconds: 1 });
    let before;
    for (const connections of [100, 1000, 10_000]) {
      const pid = await stage.idle({ ...server, connections });
      await sleep(3000);
      const memory = memoryOf(pid);
      const each = before && (memory - before.memory) / 1024 / (connections - before.connections);
      rows.push([`${peer}, ${count(connections)}`, mebibytes(memory), each]);
      before = { memory, connections };
    }
  }
  const text = "The server's resident memory with this many connections, after one call on each.";
  return [text, ['', 'MiB', 'KiB per additional one'], rows];
}

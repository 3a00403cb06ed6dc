import { digits, ranWith, table } from './format.mjs';
import { publish } from './page.mjs';
import { installPeers } from './rpc/install.mjs';
import { buildTool } from './rpc/rust-tool.mjs';
import { median } from './rpc/statistics.mjs';

const COLUMNS = {
  'records, 1 stream': { form: 'record', inFlight: 1 },
  'records, 16 streams': { form: 'record', inFlight: 16 },
  '64 KiB, 1 stream': { form: 'binary', inFlight: 1 },
  '64 KiB, 16 streams': { form: 'binary', inFlight: 16 },
};
/** Milliseconds between two items. */
const SLOW = { pause: 200, inFlight: 100, seconds: 5 };

export async function run({ quick, isWhole }) {
  installPeers();
  buildTool();
  const { Stage } = await import('./rpc/stage.mjs');
  const { streamPeers } = await import('./rpc/peers/streams.mjs');
  const { streams } = await import('./rpc/workloads.mjs');
  const stage = new Stage();
  const effort = quick ? { rounds: 1, seconds: 0.5 } : { rounds: 5, seconds: 1.5 };
  let results;
  try {
    results = await measureAll(stage, streamPeers, streams, effort);
  } finally {
    stage.close();
  }
  await publish('streams', report({ ...results, ...effort }), {}, isWhole);
}

async function measureAll(stage, peers, streams, effort) {
  const rates = {};
  for (const [column, { form, inFlight }] of Object.entries(COLUMNS)) {
    const { count, bytes } = streams[form];
    const workload = `stream of ${form}`;
    const cases = Object.keys(peers).map((peer) => ({ peer, workload, inFlight }));
    rates[column] = (await inRounds(stage, cases, effort)).map(({ rate, server, client }) => ({
      items: rate * count,
      megabytes: (rate * count * bytes) / 1e6,
      server: server / count,
      client: client / count,
    }));
  }
  const call = { peer: 'backwater', workload: '1 record', inFlight: 64 };
  const [perCall] = await inRounds(stage, [call], effort);
  const slow = [];
  for (const peer of Object.keys(peers)) {
    console.error(`slow consumers: ${peer}`);
    slow.push(await stage.growth({ ...SLOW, peer, workload: 'stream of binary' }));
  }
  return { titles: Object.values(peers).map(({ title }) => title), rates, perCall, slow };
}

async function inRounds(stage, cases, { rounds, seconds }) {
  const samples = cases.map(() => []);
  for (const what of cases) {
    console.error(`warming up: ${what.peer}, ${what.workload} × ${what.inFlight}`);
    await stage.pair({ ...what, seconds });
  }
  for (let round = 0; round < rounds; round++)
    for (const [index, what] of cases.entries())
      samples[index].push(await stage.pair({ ...what, seconds }));
  return samples.map((those) => {
    const of = (pick) => median(those.map(pick));
    return {
      rate: of(({ rate }) => rate),
      server: of(({ cpu }) => cpu.server.all),
      client: of(({ cpu }) => cpu.client.all),
    };
  });
}

function report({ titles, rates, perCall, slow, rounds, seconds }) {
  const columns = Object.entries(rates);
  const by = (cellOf) =>
    table(
      ['', ...columns.map(([name]) => name)],
      titles.map((title, peer) => [
        title,
        ...columns.map(([name, cells]) => cellOf(cells[peer], COLUMNS[name])),
      ]),
    );
  const grown = (bytes) => Math.max(0, bytes) / 1024 / SLOW.inFlight;
  const memory = titles.map((title, peer) => [
    title,
    grown(slow[peer].server),
    grown(slow[peer].client),
  ]);
  return `# Streams

${ranWith('streams')} A client and a server of the same kind, in separate processes on the same cores,
stream records of 5 fields (113 bytes as Erlang terms, 2,000 per stream) or binaries of 64 KiB (50 per stream). Peers take turns
in ${rounds} rounds of ${seconds} s, after a warm-up of the same length; figures are medians. backwater signs and verifies every frame; the others do not
authenticate. gRPC and Connect use one connection, as their clients do by default.

## In short

Each goal is checked in the worse of its columns.

${table(['', 'goal', 'measured', ''], goalsOf(rates, perCall))}
## Throughput

Records per second, and megabytes per second of 64 KiB items.

${by(({ items, megabytes }, { form }) => (form === 'record' ? items : `${digits(megabytes)} MB`))}
## CPU per item

Microseconds of CPU: server + client.

${by(({ server, client }) => `${digits(server)} + ${digits(client)}`)}
A call of backwater with one record takes ${digits(perCall.server)} + ${digits(perCall.client)} µs.

## Memory with slow consumers

How much resident memory grows at most, in KiB per stream, while the consumers of ${SLOW.inFlight} streams of 64 KiB items take one
item every ${SLOW.pause} ms, for ${SLOW.seconds} s. The kernel's socket buffers are not included.

${table(['', 'server', 'client'], memory)}`;
}

/** In the less favourable of the columns with the same items. */
function goalsOf(rates, perCall) {
  const [records, moreRecords, binaries, moreBinaries] = Object.values(rates);
  const times = (pick, ...columns) =>
    Math.min(...columns.map(([own, grpc]) => pick(own) / pick(grpc)));
  const sum = ({ server, client }) => server + client;
  const items = times((cell) => cell.items, records, moreRecords);
  const megabytes = times((cell) => cell.megabytes, binaries, moreBinaries);
  const share = Math.max(sum(records[0]), sum(moreRecords[0])) / sum(perCall);
  const goals = [
    ['records: items per second, against grpc-js', 'at least 3 ×', items, items >= 3],
    ['64 KiB: MB per second, against grpc-js', 'at least 1 ×', megabytes, megabytes >= 1],
    ['records: CPU per item, against a call', 'less than 0.33 ×', share, share < 1 / 3],
  ];
  return goals.map(([what, goal, value, reached]) => [
    what,
    goal,
    `${digits(value)} ×`,
    reached ? 'reached' : '**not reached**',
  ]);
}

// Server streaming: items and bytes per second, CPU per item, and memory while consumers are slow.
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
/** A consumer that takes an item at this interval in milliseconds, for a number of seconds. */
const SLOW = { pause: 200, inFlight: 100, seconds: 5 };

/** `--quick`: short rounds; prints, and writes nothing. */
export async function run(args) {
  const quick = args.includes('--quick');
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
  await publish('streams', report({ ...results, ...effort }), {}, !quick);
}

async function measureAll(stage, peers, streams, effort) {
  const rates = {};
  for (const [column, { form, inFlight }] of Object.entries(COLUMNS)) {
    const { count, bytes } = streams[form];
    const cases = Object.keys(peers).map((peer) => ({
      peer,
      workload: `stream of ${form}`,
      inFlight,
    }));
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
    const grown = await stage.growth({ ...SLOW, peer, workload: 'stream of binary' });
    slow.push(grown);
  }
  return { titles: Object.values(peers).map(({ title }) => title), rates, perCall, slow };
}

/** All cases are warmed up, and then take turns. Medians. */
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
  const goals = goalsOf(rates, perCall);
  const lines = titles.map((title, peer) => [title, ...columns.map(([, cells]) => cells[peer])]);
  const table = (heads, rows) =>
    [
      `| ${heads.join(' | ')} |`,
      `| --- |${' --: |'.repeat(heads.length - 1)}`,
      ...rows.map((row) => `| ${row.join(' | ')} |`),
    ].join('\n');
  const by = (cellOf) =>
    table(
      ['', ...columns.map(([name]) => name)],
      lines.map(([title, ...cells]) => [title, ...cells.map(cellOf)]),
    );
  const memory = titles.map((title, peer) => [
    title,
    ...['server', 'client'].map((side) => kibibytes(slow[peer][side] / SLOW.inFlight)),
  ]);
  return `# Streams

\`npm run bench -- streams\`, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}. A client and a server of the same kind, in processes of their own
on the same two cores, stream records of 5 fields (2,000 per stream) or binaries of 64 KiB (50 per stream). Medians of
${rounds} rounds of ${seconds} s, in turns, after as long a warm-up. backwater signs and verifies every frame; the others do not
authenticate. gRPC and Connect use one connection, as their clients do by default.

## In short

Each goal is checked in the less favourable of its columns.

${table(['', 'goal', 'measured', ''], goals)}

## Items per second

${by(({ items }) => digits(items))}

## Megabytes per second

A record counts as 113 bytes, which it has as an Erlang term.

${by(({ megabytes }) => digits(megabytes))}

## CPU per item

Microseconds of CPU: server + client.

${by(({ server, client }) => `${digits(server)} + ${digits(client)}`)}

A call of backwater with one record takes ${digits(perCall.server)} + ${digits(perCall.client)} µs.

## Memory with slow consumers

${SLOW.inFlight} streams of 64 KiB items, whose consumers take one item every ${SLOW.pause} ms, for ${SLOW.seconds} s. By how much the resident memory
grows at most, in KiB per stream. The kernel's socket buffers are not part of it.

${table(['', 'server', 'client'], memory)}
`;
}

/** In the less favourable of the columns with the same items. */
function goalsOf(rates, perCall) {
  const [records, moreRecords, binaries, moreBinaries] = Object.values(rates);
  const times = (pick, ...columns) =>
    Math.min(...columns.map(([own, grpc]) => pick(own) / pick(grpc)));
  const sum = ({ server, client }) => server + client;
  const goal = (what, most, value, reached) => [
    what,
    most,
    `${digits(value)} ×`,
    reached ? 'reached' : '**not reached**',
  ];
  const items = times((cell) => cell.items, records, moreRecords);
  const megabytes = times((cell) => cell.megabytes, binaries, moreBinaries);
  const share = Math.max(sum(records[0]), sum(moreRecords[0])) / sum(perCall);
  return [
    goal('records: items per second, against grpc-js', 'at least 3 ×', items, items >= 3),
    goal('64 KiB: MB per second, against grpc-js', 'at least 1 ×', megabytes, megabytes >= 1),
    goal('records: CPU per item, against a call', 'less than 0.33 ×', share, share < 1 / 3),
  ];
}

const kibibytes = (bytes) => digits(Math.max(0, bytes) / 1024);

function digits(value) {
  return value >= 1000
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)));
}

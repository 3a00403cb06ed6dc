// What is measured once a run beside the rates: latency at a fixed rate, fairness, idle connections,
// worker threads.
import { memoryOf } from './cpu.mjs';
import { median } from './statistics.mjs';

const RECORD = '1 record';
const IDLE = 10_000;

export async function extras(stage, cells, options, progress) {
  const seconds = options.quick ? 0.5 : 2;
  const context = { stage, options, seconds, rate: (peer) => rateOf(cells, peer) };
  const results = {};
  for (const [name, measure] of Object.entries({ latency, fairness, workers, idle })) {
    progress.say(name);
    try {
      results[name] = await measure(context);
    } catch (error) {
      results[name] = { failure: String(error.message).split('\n')[0] };
    }
  }
  return results;
}

/** The rate of a server with 64 connections. */
function rateOf(cells, peer) {
  const cell = cells.get(`server ${RECORD} 64 ${peer}`);
  return cell?.samples.length > 0 ? median(cell.samples.map(({ rate }) => rate)) : undefined;
}

/**
 * Requests that are due at a fixed rate, on 64 connections: at a rate that all can serve, and at half
 * of what each can do.
 */
async function latency({ stage, options, seconds, rate }) {
  const peers = options.goals
    ? ['backwater', 'rust']
    : ['backwater', 'rust', 'json', 'json-hmac', 'fastify'];
  const rows = [];
  const add = async (peer, requested) => {
    const what = { peer, workload: RECORD, inFlight: 64, rate: requested };
    await stage.replay({ ...what, seconds: 0.2 });
    const samples = [];
    for (let round = 0; round < (options.quick ? 1 : 3); round++) {
      samples.push(await stage.replay({ ...what, seconds: seconds / 2 }));
    }
    const at = (name) => median(samples.map((sample) => sample.latency[name]));
    rows.push({
      peer,
      rate: requested,
      ...Object.fromEntries(['p50', 'p90', 'p99', 'p999', 'max'].map((name) => [name, at(name)])),
      ratios: samples.map((sample) => sample.latency.p99 / sample.latency.p50),
    });
  };
  if (!options.goals) for (const peer of peers) await add(peer, 2000);
  for (const peer of peers) {
    const most = rate(peer);
    if (most !== undefined) await add(peer, Math.round(most / 2));
  }
  return rows;
}

/**
 * 1,000 small calls a second: alone, with a call of 8 MB in each second, and beside one call of 8 MB
 * after the other. The same for the Rust server, which shows what the machine has to do with it.
 */
async function fairness({ stage, options, seconds }) {
  const rounds = [];
  for (let round = 0; round < (options.quick ? 1 : 3); round++) {
    const results = {};
    for (const peer of ['backwater', 'rust']) {
      const what = { peer, workload: RECORD, inFlight: 16, rate: 1000, seconds };
      const large = { peer, workload: '8000000 bytes', inFlight: 1, generator: 'large' };
      if (round === 0) await stage.replay({ ...large, seconds: 0.3 });
      const alone = await stage.replay(what);
      const [single] = await Promise.all([
        stage.replay(what),
        stage.replay({ ...large, rate: 1, seconds }),
      ]);
      const [beside, others] = await Promise.all([
        stage.replay(what),
        stage.replay({ ...large, seconds }),
      ]);
      results[peer] = {
        alone: alone.latency,
        single: single.latency,
        beside: beside.latency,
        large: others.rate,
      };
    }
    rounds.push(results);
  }
  return rounds;
}

/** A function that computes for a millisecond, without worker threads and with two. */
async function workers({ stage, options, seconds }) {
  const rates = { none: [], two: [] };
  for (let round = 0; round < (options.quick ? 1 : 3); round++) {
    for (const [name, peer] of [
      ['none', 'backwater, busy'],
      ['two', 'backwater, busy, 2 workers'],
    ]) {
      const what = { peer, workload: RECORD, inFlight: 16 };
      if (round === 0) await stage.replay({ ...what, seconds: 0.3 });
      rates[name].push((await stage.replay({ ...what, seconds })).rate);
    }
  }
  return rates;
}

/** Until idle connections have given back what they need for requests only. */
const quiet = () => new Promise((resolve) => setTimeout(resolve, 3000));

/** What idle connections take of the server's memory, beyond what the first hundred made it take. */
async function idle({ stage }) {
  const server = { peer: 'backwater, idle', workload: RECORD };
  // What calls as such take is taken before.
  await stage.replay({ ...server, inFlight: 100, seconds: 1 });
  const pid = await stage.idle({ ...server, connections: 100 });
  await quiet();
  const before = memoryOf(pid);
  await stage.idle({ ...server, connections: IDLE });
  await quiet();
  const bytes = memoryOf(pid) - before;
  return { connections: IDLE, each: bytes / (IDLE - 100) };
}

import { latencyOf } from './latency.mjs';
import { peers } from './peers/index.mjs';
import { isH2loadMissing, Stage } from './stage.mjs';

/** `stretch`: rounds are longer, since calls take milliseconds. */
export const COLUMNS = {
  '1 record': { workload: '1 record', inFlight: 64 },
  '20 records': { workload: '20 records', inFlight: 64 },
  '10,000 records': { workload: '10,000 records', inFlight: 4, large: true, stretch: 1.5 },
  '1 MB': { workload: '1 MB', inFlight: 4, large: true },
  'one in flight': { workload: '1 record', inFlight: 1, together: true },
};

export async function measureAll(options) {
  const started = new Date();
  const notes = [];
  const present = presentPeers(options, notes);
  const stage = new Stage();
  const measurer = new Measurer(stage, options, notes);
  let latency = [];
  try {
    for (const column of Object.keys(COLUMNS)) {
      if (isWanted(options.only.columns, column)) await measurer.measureColumn(column, present);
    }
    if (options.only.columns.length === 0 && !options.goals)
      latency = await latencyOf(stage, measurer.figures, options);
  } finally {
    stage.close();
  }
  const seconds = (Date.now() - started.getTime()) / 1000;
  return { figures: measurer.figures, latency, notes, started, seconds };
}

const NEEDED_BY_GOALS = ['backwater', 'rust', 'grpc', 'json', 'json-hmac', 'erlang'];

function presentPeers({ only, goals }, notes) {
  const noH2load = isH2loadMissing();
  if (noH2load)
    notes.push('h2load is not installed: servers that speak only HTTP/2 were left out.');
  return Object.keys(peers).filter((name) => {
    if (!isWanted(only.peers, name) || (goals && !NEEDED_BY_GOALS.includes(name))) return false;
    const reason = peers[name].missing?.();
    if (reason !== undefined) notes.push(`${reason}: it was left out.`);
    const needsH2load = peers[name].multiplexes && peers[name].request !== undefined;
    return reason === undefined && !(noH2load && needsH2load);
  });
}

const isFirst = (column) => column === Object.keys(COLUMNS)[0];
const isWanted = (texts, name) => texts.length === 0 || texts.some((text) => name.includes(text));

/** A process is warm when a chunk of work takes no less CPU than the cheapest before, after some chunks at least. */
const CHUNK = 0.4;
const STEADY = 0.97;
/** V8 compiles most code in the first column, for some four seconds. */
const LEAST = { first: 10, later: 2, choice: 3 };
const MOST = 16;
/** Of clients that multiplex: more than one can be cheaper. */
const CONNECTIONS = [1, 2, 4];

class Measurer {
  figures = [];
  #stage;
  #options;
  #notes;
  #cheapest = new Map();

  constructor(stage, options, notes) {
    this.#stage = stage;
    this.#options = options;
    this.#notes = notes;
  }

  /** Peers take turns in each round, so that a slow moment hits all alike. */
  async measureColumn(column, names) {
    const ready = [];
    for (const run of names.flatMap((name) => measurementsOf(name, column))) {
      console.error(`warming up: ${column}, ${run.peer}, ${run.sides.join(' and ')}`);
      try {
        run.connections ??= await this.#warmUp(run);
        for (const side of run.sides) this.figures.push(figureOf(run, side));
        ready.push(run);
      } catch (error) {
        this.#notes.push(`${peers[run.peer].title} failed (${column}): ${error.message}`);
      }
    }
    for (let round = 0; round < this.#options.rounds; round++) {
      console.error(`measuring: ${column}, round ${round + 1} of ${this.#options.rounds}`);
      for (const run of ready) await this.#sample(run);
    }
  }

  async #sample(run) {
    const sample = await this.#run(run, this.#options.seconds);
    if (sample.errors > 0 || sample.rate === 0)
      this.#notes.push(
        `${peers[run.peer].title}, ${run.column}: ${sample.errors} calls failed in a round of ${sample.rate} calls/s.`,
      );
    if (sample.rate === 0) return;
    for (const figure of this.figures) if (figure.run === run) figure.samples.push(sample);
  }

  #run({ method, column, ...what }, seconds) {
    const { stretch = 1 } = COLUMNS[column];
    return this.#stage[method]({ ...what, seconds: seconds * stretch });
  }

  /** Returns how many connections the calls share, if any. */
  async #warmUp(run) {
    const shares = peers[run.peer].multiplexes && run.inFlight > 1;
    if (!shares) {
      await this.#untilSteady({ ...run, connections: undefined });
      return undefined;
    }
    const key = `${run.peer} ${run.method} ${COLUMNS[run.column].large}`;
    const known = this.#cheapest.get(key);
    let cheapest = known;
    if (known === undefined) {
      const costs = [];
      for (const connections of CONNECTIONS)
        costs.push(await this.#untilSteady({ ...run, connections }, LEAST.choice));
      cheapest = CONNECTIONS[costs.indexOf(Math.min(...costs))];
      this.#cheapest.set(key, cheapest);
    }
    await this.#untilSteady({ ...run, connections: cheapest });
    return cheapest;
  }

  /** Returns the CPU per call of the cheapest chunk. */
  async #untilSteady(run, least = isFirst(run.column) ? LEAST.first : LEAST.later) {
    let cheapest = Infinity;
    for (let chunk = 1; chunk <= MOST; chunk++) {
      const cost = costOf(run, await this.#run(run, CHUNK));
      if (chunk >= least && cost > cheapest * STEADY) break;
      cheapest = Math.min(cheapest, cost);
    }
    return cheapest;
  }
}

function costOf({ sides }, { cpu }) {
  return sides.reduce((sum, side) => sum + (cpu[side]?.all ?? 0), 0);
}

function measurementsOf(name, column) {
  const { workload, inFlight, together } = COLUMNS[column];
  const { request, connect } = peers[name];
  const base = { peer: name, column, workload, inFlight };
  if (together || request === undefined)
    return [{ ...base, method: 'pair', sides: ['server', 'client'] }];
  const runs = [{ ...base, method: 'replay', sides: ['server'] }];
  if (connect !== undefined || name === 'rust')
    runs.push({ ...base, method: 'call', sides: ['client'] });
  if (name === 'grpc' && column === '1 record')
    runs.push({ ...base, method: 'replay', sides: ['server'], connections: inFlight, extra: true });
  return runs;
}

function figureOf(run, side) {
  const { peer, column, connections, extra = false } = run;
  return { peer, column, side, connections, extra, run, samples: [] };
}

// Goes through the plan, round by round.
import { extras } from './extras.mjs';
import { isMissing as isErlangMissing } from './peers/erlang.mjs';
import { peers } from './peers/index.mjs';
import { fullPlan, goalsPlan, SECTIONS } from './plan.mjs';
import { isH2loadMissing, Stage } from './stage.mjs';
import { workloads } from './workloads.mjs';

/** @typedef {{ section: string, workload: string, inFlight: number, peer: string, samples: object[] }} Cell */

/**
 * @returns {Promise<{ cells: Cell[], extras: object, notes: string[], options: object, started: Date,
 *   seconds: number }>}
 */
export async function benchmark(options) {
  const started = new Date();
  const notes = [];
  const absent = absentPeers(notes);
  const groups = (options.goals ? goalsPlan() : fullPlan(options))
    .map((group) => ({ ...group, peers: group.peers.filter((peer) => !absent.has(peer)) }))
    .map((group) => selected(group, options.only))
    .filter(({ peers }) => peers.length > 0);
  const stage = new Stage();
  const cells = new Map();
  const progress = new Progress(groups, options.rounds);
  let more = {};
  try {
    for (let round = 0; round < options.rounds; round++) {
      for (const group of groups) {
        for (const peer of rotate(group.peers, round)) {
          await measure(stage, group, peer, { options, round, cells, progress });
        }
      }
    }
    if (options.only.length === 0) more = await extras(stage, cells, options, progress);
  } finally {
    stage.close();
    progress.end();
  }
  const seconds = (Date.now() - started.getTime()) / 1000;
  return { cells: [...cells.values()], extras: more, notes, options, started, seconds };
}

async function measure(stage, group, peer, { options, round, cells, progress }) {
  const { section, workload, inFlight } = group;
  const key = `${section} ${workload} ${inFlight} ${peer}`;
  progress.step(`${section}, ${workload} × ${inFlight}, ${peer}`);
  if (!cells.has(key)) cells.set(key, { section, workload, inFlight, peer, samples: [] });
  const run = (seconds) => stage[SECTIONS[section].method]({ peer, workload, inFlight, seconds });
  try {
    // Code is compiled and connections are made before the first measurement.
    if (round === 0) await run(0.2);
    cells.get(key).samples.push(await run(options.seconds));
  } catch (error) {
    cells.get(key).failure ??= String(error.message).split('\n')[0];
  }
}

function absentPeers(notes) {
  const absent = new Set();
  const erlang = isErlangMissing();
  if (erlang !== undefined) {
    notes.push(`${erlang}: its peer was left out.`);
    absent.add('erlang');
  }
  if (isH2loadMissing()) {
    notes.push('h2load is not installed: servers of HTTP/2 alone were left out.');
    for (const peer of ['grpc', 'grpc, 4', 'connect', 'connect, 4']) absent.add(peer);
  }
  return absent;
}

/** The part of a group that `--only` leaves: each text names sections, workloads or peers. */
function selected({ section, workload, inFlight, peers }, only) {
  const wanted = { section: [], workload: [], peer: [] };
  for (const text of only) wanted[kindOf(text)].push(text);
  const isWanted = (kind, name) =>
    wanted[kind].length === 0 || wanted[kind].some((text) => name.includes(text));
  const taken = isWanted('section', section) && isWanted('workload', workload);
  return {
    section,
    workload,
    inFlight,
    peers: taken ? peers.filter((peer) => isWanted('peer', peer)) : [],
  };
}

function kindOf(text) {
  const has = (names) => names.some((name) => name.includes(text));
  if (has(Object.keys(SECTIONS))) return 'section';
  if (has(Object.keys(workloads))) return 'workload';
  if (has(Object.keys(peers))) return 'peer';
  throw new Error(`no section, workload or peer has '${text}' in its name`);
}

function rotate(list, by) {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

/** Says on standard error what is going on, and how far it is. */
class Progress {
  #total;
  #done = 0;
  #start = Date.now();

  constructor(groups, rounds) {
    this.#total = groups.reduce((sum, { peers }) => sum + peers.length, 0) * rounds;
  }

  step(what) {
    this.#done++;
    const seconds = ((Date.now() - this.#start) / 1000).toFixed(0);
    this.say(`${this.#done}/${this.#total}, ${seconds} s: ${what}`);
  }

  say(text) {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
    else console.error(text);
  }

  end() {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}

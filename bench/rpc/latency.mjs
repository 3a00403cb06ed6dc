// Latency at half of the load that each server can bear.
import { median, rateOf } from './statistics.mjs';

const COLUMN = '1 record';

export async function latencyOf(stage, figures, { seconds, rounds }) {
  const servers = figures.filter(
    ({ column, side, run, extra, samples }) =>
      column === COLUMN &&
      side === 'server' &&
      run.method === 'replay' &&
      !extra &&
      samples.length > 0,
  );
  const rows = [];
  for (const figure of servers) {
    const { peer, connections } = figure;
    console.error(`latency: ${peer}`);
    const rate = Math.round(rateOf(figure).value / 2);
    const what = { peer, connections, workload: COLUMN, inFlight: 64, rate, seconds };
    const samples = [];
    for (let round = 0; round < rounds; round++) samples.push(await stage.replay(what));
    const at = (name) => median(samples.map(({ latency }) => latency[name]));
    rows.push({ peer, p50: at('p50'), p99: at('p99') });
  }
  return rows;
}

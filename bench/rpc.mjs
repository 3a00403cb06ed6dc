import { publish } from './page.mjs';
import { installPeers } from './rpc/install.mjs';
import { buildTool } from './rpc/rust-tool.mjs';

/** `--only` chooses by peer or column. */
export async function run({ quick, goals, only, isWhole }) {
  installPeers();
  buildTool();
  const { COLUMNS, measureAll } = await import('./rpc/measure.mjs');
  const isColumn = (text) => Object.keys(COLUMNS).some((name) => name.includes(text));
  const wanted = {
    columns: only.filter(isColumn),
    peers: only.filter((text) => !isColumn(text)),
  };
  const effort = quick ? { rounds: 1, seconds: 0.3 } : { rounds: 5, seconds: 0.4 };
  const results = await measureAll({ ...effort, goals, only: wanted });
  const { chartOf, reportOf } = await import('./rpc/report.mjs');
  const { compareRuns } = await import('./rpc/runs.mjs');
  const text = reportOf(results, effort, isWhole ? compareRuns(results) : '');
  return publish('rpc', text, { 'rpc.svg': chartOf(results) }, isWhole);
}

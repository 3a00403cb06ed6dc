// Remote calls against other ways to make them: every peer in processes of its own, all in one run, in turns.
import { publish } from './page.mjs';
import { installPeers } from './rpc/install.mjs';

const USAGE = `usage: npm run bench -- rpc [options]

  --quick         one short round: a look, not a result
  --goals         only the peers that the goals compare with
  --only TEXT     only peers or columns whose names contain TEXT; may be repeated
  --rounds N      how often everything is measured (3)
  --seconds S     how long a round takes (0.8)
`;

export async function run(args) {
  const options = parse(args);
  if (options === undefined) {
    console.log(USAGE);
    process.exitCode = args.includes('--help') ? 0 : 2;
    return;
  }
  installPeers();
  const { buildTool } = await import('./rpc/rust-tool.mjs');
  buildTool();
  const { COLUMNS, measureAll } = await import('./rpc/measure.mjs');
  options.only = { columns: [], peers: [] };
  for (const text of options.texts) {
    const isColumn = Object.keys(COLUMNS).some((name) => name.includes(text));
    options.only[isColumn ? 'columns' : 'peers'].push(text);
  }
  const results = { ...(await measureAll(options)), options };
  const { chartOf, reportOf } = await import('./rpc/report.mjs');
  const { compareRuns } = await import('./rpc/runs.mjs');
  const isWhole = !options.quick && !options.goals && options.texts.length === 0;
  const text = reportOf(results, isWhole ? compareRuns(results) : '');
  return publish('rpc', text, { 'rpc.svg': chartOf(results) }, isWhole);
}

function parse(args) {
  const options = { quick: false, goals: false, texts: [] };
  for (let index = 0; index < args.length; index++) {
    const name = args[index].slice(2);
    if (['quick', 'goals'].includes(name)) options[name] = true;
    else if (name === 'only' && args[index + 1]) options.texts.push(args[++index]);
    else if (['rounds', 'seconds'].includes(name) && Number(args[index + 1]) > 0) {
      options[name] = Number(args[++index]);
    } else return undefined;
  }
  const effort = options.quick ? { rounds: 1, seconds: 0.3 } : { rounds: 3, seconds: 0.8 };
  return { ...effort, ...options };
}

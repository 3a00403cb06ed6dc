// What hostile input costs its receiver: CPU and memory for each byte that an attacker sends.
import { cpus } from 'node:os';
import { largestKinds } from './costs-of-input/after.mjs';
import { loadKinds } from './costs-of-input/kinds.mjs';
import { cpuOfInput, memoryOfInput, peakOf } from './costs-of-input/measure.mjs';
import { publish } from './page.mjs';

/** What each stage may cost, where there is a goal. */
const GOALS = { before: { nanoseconds: 50, memory: 10 } };

/**
 * `--quick`: fewer messages, and writes nothing. `--only TEXT`: kinds whose side, stage and name contain
 * it, such as `'server, before'`.
 */
export async function run(args) {
  const quick = args.includes('--quick');
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : '';
  const chosen = (await loadKinds()).filter(
    ({ side, stage, name, base }) => base || `${side}, ${stage}: ${name}`.includes(only),
  );
  const results = [];
  for (const kind of chosen) {
    const cpu = kind.unanswered ? undefined : await cpuOfInput(kind, quick);
    const memory = await memoryOfInput(kind, quick);
    console.error(`${kind.side}, ${kind.stage}: ${kind.name}: ${cpu} µs, ${memory} bytes`);
    results.push({ kind, cpu, memory });
  }
  const peaks = 'the largest at once'.includes(only) ? await peaksOfLargest() : [];
  const page = report(
    results.map((result) => ratios(result, results)),
    peaks,
  );
  await publish('costs-of-input', page, {}, !quick && only === '');
}

/** MB of memory that the largest messages take, by how many of them are there at once. */
async function peaksOfLargest() {
  const rows = [];
  for (const kind of largestKinds()) {
    const peaks = [];
    for (const count of [2, 16, 64]) peaks.push((await peakOf(kind, count)) / 1e6);
    console.error(`${kind.name}: ${peaks.map(Math.round)} MB`);
    rows.push([kind.name, kind.input().length, ...peaks]);
  }
  return rows;
}

/** The cost of each byte beyond the smallest message of the same stage. */
function ratios({ kind, cpu, memory }, results) {
  const base = results.find((result) => result.kind === kind.smallest);
  const bytes = kind.size - base.kind.size;
  const each = (value, basis) =>
    value === undefined || kind.fixed || bytes < 200
      ? undefined
      : Math.max(0, (value - basis) / bytes);
  return {
    kind,
    micros: cpu,
    nanoseconds: each(cpu && cpu * 1000, base.cpu * 1000),
    memory: each(memory, base.memory),
    held: memory,
  };
}

function report(results, peaks) {
  const sections = [];
  const worst = [];
  for (const side of ['server', 'client']) {
    for (const stage of ['before', 'after']) {
      const those = results.filter(({ kind }) => kind.side === side && kind.stage === stage);
      if (those.length === 0) continue;
      sections.push(`## ${title(side, stage)}\n\n${table(those)}`);
      worst.push(worstOf(side, stage, those));
    }
  }
  return [
    '# Costs of input',
    '',
    `\`npm run bench -- costs-of-input\`, ${new Date().toISOString().slice(0, 10)}, Node ${process.versions.node}, ${cpus()[0]?.model ?? process.arch}, ${cpus().length} cores shared with other work.`,
    '',
    'What a message of an attacker costs the process that receives it. The first line of each table is the ' +
      'smallest message of its stage on a connection of its own: the fixed cost. The other lines give what ' +
      'each additional byte adds, in CPU of all threads and in the highest resident memory while many such ' +
      'messages are there at once. Gzipped messages are divided by their size after gunzip, because limits ' +
      'apply to that.',
    '',
    '## The worst of each stage',
    '',
    '| who | fixed, µs of CPU | CPU, ns a byte | memory, bytes a byte |',
    '| --- | --: | --: | --: |',
    ...worst,
    '',
    ...sections,
    ...(peaks.length > 0 ? [largest(peaks)] : []),
  ].join('\n');
}

function title(side, stage) {
  return `${side === 'server' ? 'A server' : 'A client'}, ${stage} authentication`;
}

function table(results) {
  return [
    '| input | bytes sent | after gunzip | CPU, µs | ns a byte | memory, KB | bytes a byte |',
    '| --- | --: | --: | --: | --: | --: | --: |',
    ...results.map(({ kind, micros, nanoseconds, memory, held }) =>
      row([kind.name, kind.sent, kind.inflated, micros, nanoseconds, held && held / 1000, memory]),
    ),
    '',
  ].join('\n');
}

function largest(peaks) {
  return [
    '## The largest arguments at once',
    '',
    'Peak memory of a server with default options, in MB above an idle server, ' +
      'while this many callers send arguments of 8 MiB at the same time:',
    '',
    '| arguments | bytes on the wire | 2 | 16 | 64 |',
    '| --- | --: | --: | --: | --: |',
    ...peaks.map(row),
    '',
  ].join('\n');
}

function worstOf(side, stage, results) {
  const most = (field) => {
    const values = results.map((result) => result[field]).filter((value) => value !== undefined);
    return values.length > 0 ? Math.max(...values) : undefined;
  };
  const goal = GOALS[stage];
  const mark = (field) => {
    const value = cell(most(field));
    return goal === undefined ? value : `${value} (goal ${goal[field]})`;
  };
  const fixed = results.find(({ kind }) => kind.base).micros;
  return `| ${title(side, stage)} | ${cell(fixed)} | ${mark('nanoseconds')} | ${mark('memory')} |`;
}

function row(cells) {
  return `| ${cells.map(cell).join(' | ')} |`;
}

function cell(value) {
  if (typeof value !== 'number') return value ?? '–';
  return value >= 1000
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(2)));
}

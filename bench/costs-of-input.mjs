// CPU and memory for each byte that an attacker sends.
import { largestKinds } from './costs-of-input/after.mjs';
import { loadKinds } from './costs-of-input/kinds.mjs';
import { cpuOfInput, memoryOfInput, peakOfInput } from './costs-of-input/measure.mjs';
import { digits, ranWith, table } from './format.mjs';
import { publish } from './page.mjs';

const SIDES = ['server', 'client'];
/** The goals, and how many kinds the page shows. */
const STAGES = {
  before: { goal: { nanoseconds: 50, memory: 10 }, shown: 5 },
  after: { shown: 10 },
};
const AT_ONCE = [2, 16, 64];

/** For example, `--only "server, before"`. */
export async function run({ quick, isWanted, isWhole }) {
  const nameOf = ({ side, stage, name }) => `${side}, ${stage}: ${name}`;
  const results = [];
  for (const kind of await loadKinds((each) => isWanted(nameOf(each)))) {
    const cpu = kind.unanswered ? undefined : await cpuOfInput(kind, quick);
    const memory = await memoryOfInput(kind, quick);
    console.error(`${nameOf(kind)}: ${cpu} µs, ${memory} bytes`);
    results.push({ kind, cpu, memory });
  }
  const peaks = isWanted('the largest at once') ? await peaksOfLargest() : [];
  const page = report(
    results.map((result) => costsOf(result, results)),
    peaks,
  );
  await publish('costs-of-input', page, {}, isWhole);
}

async function peaksOfLargest() {
  const rows = [];
  for (const kind of largestKinds()) {
    const peaks = [];
    for (const count of AT_ONCE) peaks.push((await peakOfInput(kind, count)) / 1e6);
    console.error(`${kind.name}: ${peaks.map(Math.round)} MB`);
    rows.push([kind.name, kind.input().length, ...peaks]);
  }
  return rows;
}

/** The cost of each byte beyond the smallest message of the same side and stage. */
function costsOf({ kind, cpu, memory }, results) {
  const base = results.find((result) => result.kind === kind.smallest);
  const bytes = kind.size - base.kind.size;
  const each = (value, basis) =>
    value === undefined || kind.fixed || kind.base
      ? undefined
      : Math.max(0, (value - basis) / bytes);
  return {
    kind,
    micros: cpu,
    nanoseconds: each(cpu && cpu * 1000, base.cpu * 1000),
    memory: each(memory, base.memory),
  };
}

function report(results, peaks) {
  const groups = SIDES.flatMap((side) =>
    Object.keys(STAGES).map((stage) => {
      const all = results.filter(({ kind }) => kind.side === side && kind.stage === stage);
      return {
        title: `A ${side}, ${stage} authentication`,
        ...STAGES[stage],
        costs: all.filter(({ kind }) => !kind.compared),
        compared: all.filter(({ kind }) => kind.compared),
      };
    }),
  );
  const heads = ['who', 'fixed, µs of CPU', 'CPU, ns per byte', 'memory, bytes per byte'];
  return `# Costs of input

${ranWith('costs-of-input')}

What an attacker's message costs the process that receives it: the fixed cost of the smallest message, on a connection
of its own, and the cost of each additional byte. CPU is the time of all threads; memory is the peak of resident memory
while the process holds many such messages. After authentication, messages have 1 MB, inflated if they are gzipped.

## The worst of each stage

${table(heads, groups.map(worstOf), 2)}
${groups.map(section).join('\n')}${peaks.length > 0 ? largest(peaks) : ''}`;
}

const most = (costs, field) =>
  Math.max(0, ...costs.map((cost) => cost[field]).filter((value) => value !== undefined));

function worstOf({ title, goal, costs }) {
  const mark = (field) =>
    `${digits(most(costs, field), 2)}${goal === undefined ? '' : ` (goal ${goal[field]})`}`;
  const base = costs.find(({ kind }) => kind.base);
  return [title, base.micros, mark('nanoseconds'), mark('memory')];
}

function section({ title, shown, costs, compared }) {
  const [fixed, ratios] = [[], []];
  for (const cost of costs) (cost.kind.base || cost.kind.fixed ? fixed : ratios).push(cost);
  ratios.sort((one, other) => (other.nanoseconds ?? 0) - (one.nanoseconds ?? 0));
  const rows = [...fixed, ...ratios.slice(0, shown)].map(
    ({ kind, micros, nanoseconds, memory }) => [kind.name, micros, nanoseconds, memory],
  );
  const others = ratios.slice(shown);
  const rest =
    others.length === 0
      ? ''
      : `\nThe other ${others.length} kinds take at most ${digits(most(others, 'nanoseconds'), 2)} ns and ${digits(most(others, 'memory'), 2)} bytes of memory per byte.\n`;
  return `## ${title}

${table(['input', 'CPU, µs', 'ns per byte', 'memory, bytes per byte'], rows, 2)}${rest}${compared.map(comparison).join('')}`;
}

const comparison = ({ kind, micros, nanoseconds }) =>
  `\nFor comparison, ${kind.name} takes ${digits(micros, 2)} µs, ${digits(nanoseconds, 2)} ns per byte.\n`;

function largest(peaks) {
  return `
## The largest arguments at once

Peak memory of a server with default options, in MB above an idle server, while this many callers send arguments of
8 MiB at the same time:

${table(['arguments', 'bytes on the wire', ...AT_ONCE.map(String)], peaks, 2)}`;
}

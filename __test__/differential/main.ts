/**
 * Compares how this library and a live Erlang decode random and damaged terms: `npm run
 * differential -- --cases 100000 --seed 1`.
 */
import { parseArgs } from 'node:util';
import { readVectors, type TermVector } from '../support/vectors.js';
import { type Case, compare, type Difference } from './compare.js';
import { Erlang } from './erlang.js';
import { generate } from './generate.js';
import { knownAs } from './known.js';
import { minimise } from './minimise.js';
import { mutate } from './mutate.js';
import { Random } from './random.js';

const BATCH = 500;
const MAX_SHOWN = 20;

const { values: options } = parseArgs({
  options: {
    cases: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 32) },
  },
});
const cases = Number(options.cases);
const seed = Number(options.seed);
if (!Number.isSafeInteger(cases) || !Number.isSafeInteger(seed)) {
  throw new Error('--cases and --seed take integers');
}

const seeds = ['named', 'random', 'foreign', 'mutations']
  .flatMap((file) => readVectors<TermVector>(`terms/${file}.jsonl`))
  .map(({ etf }) => Buffer.from(etf, 'base64'))
  .filter(({ length }) => length < 10_000);

function caseOf(number: number): Buffer {
  const random = new Random(seed, number);
  const source = random.once(6) ? random.pick(seeds) : generate(random);
  return random.once(2) ? source : mutate(random, source, generate(random));
}

/** Equal for differences that probably share a cause. */
const signature = ({ kind, own, erlang }: Difference): string =>
  [kind, own, erlang]
    .map((text) => text.replaceAll(/[\da-f]{4,}|\d+/g, '#').slice(0, 60))
    .join('|');

interface Finding {
  readonly number: number;
  readonly bytes: Buffer;
  count: number;
}

interface Tally {
  taken: number;
  readonly known: Map<string, number>;
  readonly unknown: Map<string, Finding>;
}

async function run(erlang: Erlang): Promise<Tally> {
  const tally: Tally = { taken: 0, known: new Map(), unknown: new Map() };
  for (let first = 0; first < cases; first += BATCH) {
    const count = Math.min(BATCH, cases - first);
    const numbers = Array.from({ length: count }, (_, index) => first + index);
    const judged = await erlang.judge(numbers.map(caseOf));
    judged.forEach((tested, index) => tallyUp(tally, tested, first + index));
    if ((first / BATCH) % 20 === 19) {
      process.stderr.write(
        `${first + count} of ${cases} cases, ${tally.unknown.size} differences\n`,
      );
    }
  }
  return tally;
}

function tallyUp(tally: Tally, tested: Case, number: number): void {
  if ('encoded' in tested.own) tally.taken++;
  const difference = compare(tested);
  if (difference === undefined) return;
  const known = knownAs(difference, tested);
  if (known !== undefined) {
    tally.known.set(known, (tally.known.get(known) ?? 0) + 1);
    return;
  }
  const key = signature(difference);
  const finding = tally.unknown.get(key) ?? { number, bytes: tested.bytes, count: 0 };
  finding.count++;
  tally.unknown.set(key, finding);
}

async function show(erlang: Erlang, [key, finding]: [string, Finding]): Promise<void> {
  const same = (tested: Case): boolean => {
    const difference = compare(tested);
    return (
      difference !== undefined &&
      signature(difference) === key &&
      knownAs(difference, tested) === undefined
    );
  };
  const smallest = await minimise(finding.bytes, async (candidates) =>
    (await erlang.judge(candidates)).map(same),
  );
  const [tested] = await erlang.judge([smallest]);
  const difference = compare(tested!);
  console.log(`\n${difference?.kind} (${finding.count} cases, the first is ${finding.number})`);
  console.log(`  bytes:  ${smallest.toString('hex')}`);
  console.log(`  here:   ${difference?.own}`);
  console.log(`  Erlang: ${difference?.erlang}`);
}

const erlang = new Erlang();
try {
  const { taken, known, unknown } = await run(erlang);
  for (const [key, { count }] of unknown) console.log(`${count} cases: ${key}`);
  for (const finding of Array.from(unknown).slice(0, MAX_SHOWN)) await show(erlang, finding);
  console.log(`\nseed ${seed}: ${cases} cases, ${taken} are terms here`);
  for (const [name, count] of known) console.log(`  known: ${name}: ${count}`);
  console.log(`  differences that are not known: ${unknown.size}`);
  if (unknown.size > 0) process.exitCode = 1;
} finally {
  await erlang.close();
}

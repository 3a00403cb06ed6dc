import { cpuOf, find, halfOfRange, rateOf } from './statistics.mjs';

/** `[column, side, peer, most]`: CPU per call, as a multiple of the peer's. */
const CPU = [
  ['1 record', 'server', 'rust', 1.25],
  ['1 record', 'server', 'grpc', 0.5],
  ['20 records', 'server', 'rust', 1.45],
  ['10,000 records', 'server', 'rust', 1.45],
  ['10,000 records', 'server', 'erlang', 1],
  ['1 MB', 'server', 'rust', 1.25],
  ['1 MB', 'server', 'erlang', 1],
  ['1 record', 'client', 'rust', 1.35],
  ['1 record', 'client', 'json-hmac', 1 / 3],
  ['1 record', 'client', 'json', 0.8],
];

export function checkGoals(figures, titleOf) {
  /** `figureOf` reads what a figure says, `sampleOf` what a round says. */
  const ratioTo = (figureOf, sampleOf, ...[column, side, peer]) => {
    const own = find(figures, column, side, 'backwater');
    const other = find(figures, column, side, peer);
    if (own === undefined || other === undefined) return undefined;
    const inRounds = other.samples
      .slice(0, own.samples.length)
      .map((sample, round) => sampleOf(own.samples[round]) / sampleOf(sample));
    return { value: figureOf(own).value / figureOf(other).value, half: halfOfRange(inRounds) };
  };
  const goals = CPU.map(([column, side, peer, most]) => {
    const ratio = ratioTo(cpuOf, ({ cpu }) => cpu[side].all, column, side, peer);
    const what = `${side}, ${column}, against ${titleOf(peer)}`;
    const goal = `at most ${Number(most.toFixed(3))} ×`;
    return { what, goal, ratio, reached: ratio?.value <= most };
  });
  const ratio = ratioTo(rateOf, ({ rate }) => rate, 'one in flight', 'client', 'json');
  const what = `calls per second, one in flight, against ${titleOf('json')}`;
  goals.push({ what, goal: 'more than 1 ×', ratio, reached: ratio?.value > 1 });
  return goals.filter((goal) => goal.ratio !== undefined);
}

import { find, rounds } from './statistics.mjs';

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

/** Ratios are taken within each round. */
export function checkGoals(figures, titleOf) {
  const ratioTo = (pick, ...[column, side, peer]) => {
    const own = find(figures, column, side, 'backwater')?.samples ?? [];
    const others = find(figures, column, side, peer)?.samples ?? [];
    const pairs = own.slice(0, others.length).map((sample, round) => [sample, others[round]]);
    return rounds({ samples: pairs }, (pair) => pick(pair[0]) / pick(pair[1]));
  };
  const goals = CPU.map(([column, side, peer, most]) => {
    const ratio = ratioTo(({ cpu }) => cpu[side].all, column, side, peer);
    const what = `${side}, ${column}, against ${titleOf(peer)}`;
    const goal = `at most ${Number(most.toFixed(2))} ×`;
    return { what, goal, ratio, reached: ratio?.median <= most };
  });
  const ratio = ratioTo(({ rate }) => rate, 'one in flight', 'client', 'json');
  const what = `calls per second, one in flight, against ${titleOf('json')}`;
  goals.push({ what, goal: 'more than 1 ×', ratio, reached: ratio?.median > 1 });
  return goals.filter((goal) => goal.ratio !== undefined);
}

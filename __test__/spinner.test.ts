import test from 'ava';
import { Spinner } from '../src/spinner.js';

/** A spinner whose spinning ends as it is told. */
function spinner({ hits = false, inFlight = 0 } = {}) {
  const seen = { spins: [] as number[], drains: 0 };
  const state = { hits, inFlight, time: 0 };
  const subject = new Spinner(
    (microseconds) => {
      seen.spins.push(microseconds);
      return state.hits;
    },
    () => seen.drains++,
    () => state.inFlight,
    () => state.time,
  );
  /** The end of a turn of the event loop in which there were events. */
  const turn = async (events = 1, running = 0): Promise<void> => {
    subject.onIdle(events, running);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { subject, seen, state, turn };
}

test('spins for as long as the one that wants it longest, and no longer when that is gone', async (t) => {
  const { subject, seen, turn } = spinner({ hits: true });
  await turn();
  t.deepEqual(seen.spins, [], 'nobody has asked for it');
  subject.set('server 1', 20);
  subject.set('client 1', 50);
  await turn();
  subject.set('client 1', 0);
  await turn();
  subject.set('server 1', 0);
  await turn();
  t.deepEqual(seen.spins, [50, 20]);
  t.is(seen.drains, 2);
});

test('does not spin with more than a few calls in flight, or while one is running', async (t) => {
  const { subject, seen, state, turn } = spinner({ hits: true });
  subject.set('server 1', 50);
  await turn(5);
  await turn(1, 1);
  state.inFlight = 5;
  await turn();
  t.deepEqual(seen.spins, []);
  state.inFlight = 4;
  await turn(4);
  t.deepEqual(seen.spins, [50]);
});

test('stops when it does not pay, tries again now and then, and goes on when it pays', async (t) => {
  const { subject, seen, state, turn } = spinner();
  subject.set('server 1', 50);
  for (let count = 0; count < 20; count++) await turn();
  t.true(seen.spins.length <= 4, `${seen.spins.length} spins`);
  for (let count = 0; count < 2000; count++) await turn();
  t.true(seen.spins.length > 4 && seen.spins.length < 20, `${seen.spins.length} spins`);
  state.hits = true;
  const before = seen.spins.length;
  for (let count = 0; count < 300; count++) await turn();
  t.true(seen.spins.length > before + 20, `${seen.spins.length - before} spins`);
});

test('does not hold up other work of the event loop', async (t) => {
  const { subject, seen, state } = spinner({ hits: true });
  subject.set('server 1', 50);
  for (const [others, spins] of [
    [2, []],
    [0.01, [50]],
  ] as const) {
    subject.onIdle(1, 0);
    state.time += others;
    await new Promise((resolve) => setImmediate(resolve));
    t.deepEqual(seen.spins, spins);
  }
});

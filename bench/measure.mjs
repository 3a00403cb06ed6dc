/**
 * Measures several ways to do the same work: functions, or objects that `time` a number of executions themselves, in
 * microseconds. Each round takes a sample of every way, so that a slow moment hits all alike, and ratios to `base`
 * within a round say more than times. `window` is the least time of a sample, in milliseconds.
 */
export async function measure(ways, base, { rounds, window, warmUp }) {
  const names = Object.keys(ways);
  const repeats = {};
  for (const name of names) repeats[name] = await calibrate(ways[name], window, warmUp);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of rotate(names, round)) {
      collectGarbage();
      samples[name].push((await time(ways[name], repeats[name])) / repeats[name]);
    }
  }
  return Object.fromEntries(
    names.map((name) => {
      const ratios = samples[name].map((micros, round) => micros / samples[base][round]);
      return [name, { micros: spread(samples[name]), ratio: spread(ratios) }];
    }),
  );
}

function collectGarbage() {
  globalThis.gc?.({ type: 'minor' });
}

/** Results go where V8 cannot prove them unused. */
const sink = { value: undefined };

async function time(way, repeat) {
  if (typeof way !== 'function') return way.time(repeat);
  const start = process.hrtime.bigint();
  for (let index = 0; index < repeat; index++) {
    // Programs release one message before they decode the next.
    sink.value = undefined;
    sink.value = way();
  }
  const micros = Number(process.hrtime.bigint() - start) / 1000;
  sink.value = undefined;
  return micros;
}

/** Returns how many executions fill the window. */
async function calibrate(way, window, warmUp) {
  let repeat = 1;
  let spent = 0;
  for (;;) {
    const micros = await time(way, repeat);
    spent += micros / 1000;
    const each = micros / repeat;
    repeat = Math.max(1, Math.min(repeat * 4, Math.ceil((window * 1000) / each)));
    if (spent >= warmUp) return repeat;
  }
}

function rotate(list, by) {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

/** The median and the quartiles. */
function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.ceil(place);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
  };
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}

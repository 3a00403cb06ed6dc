/**
 * A way to do some work: a function, or something that measures a number of executions itself, in microseconds.
 *
 * @typedef {(() => unknown) | { time(repeat: number): Promise<number> }} Way
 *
 * @typedef {object} Effort
 * @property {number} rounds how many samples each way gets
 * @property {number} window the least time of a sample, in milliseconds
 * @property {number} warmUp for how long each way runs before, in milliseconds
 *
 * @typedef {object} Spread
 * @property {number} median
 * @property {number} low a quarter of the samples is below
 * @property {number} high a quarter of the samples is above
 *
 * @typedef {object} Result
 * @property {Spread} micros microseconds for one execution
 * @property {Spread} ratio the same, relative to the base in the same round
 */

/**
 * Measures several ways to do the same work, interleaved: each round takes a sample of every way, one after
 * the other, beginning with another one each time. What slows the machine down for longer than a round
 * then hits all of them alike, and so the ratios within a round say more than the times.
 *
 * @param {Record<string, Way>} ways
 * @param {string} base the way that the others are compared with
 * @param {Effort} effort
 * @returns {Promise<Record<string, Result>>}
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

/** What one way leaves behind is not to be collected at the cost of the next. */
function collectGarbage() {
  globalThis.gc?.({ type: 'minor' });
}

/** Where results go; in memory that V8 cannot prove to be unused. */
const sink = { value: undefined };

/** Microseconds that a number of executions take. */
async function time(way, repeat) {
  if (typeof way !== 'function') return way.time(repeat);
  const start = process.hrtime.bigint();
  for (let index = 0; index < repeat; index++) {
    // Programs do not hold one message while they decode the next.
    sink.value = undefined;
    sink.value = way();
  }
  const micros = Number(process.hrtime.bigint() - start) / 1000;
  sink.value = undefined;
  return micros;
}

/** Runs the way for `warmUp`, and finds how often it goes into a window. */
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

/**
 * @param {number[]} values
 * @returns {Spread}
 */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const above = Math.ceil(place);
    return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
  };
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}

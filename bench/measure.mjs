/**
 * Measures several ways to do the same work, interleaved in one run: a slow moment of the machine
 * then hits all of them alike, and only ratios within a row are compared.
 *
 * @param {Record<string, () => unknown>} ways
 * @param {{ rounds: number, roundTime: number }} options time in milliseconds
 * @returns {Record<string, number>} median microseconds for one execution of each way
 */
export function measure(ways, { rounds, roundTime }) {
  const names = Object.keys(ways);
  const repeats = {};
  for (const name of names) repeats[name] = calibrate(ways[name], roundTime);
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of rotate(names, round)) {
      samples[name].push(time(ways[name], repeats[name]));
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(samples[name])]));
}

let sink;

function time(action, repeat) {
  const start = process.hrtime.bigint();
  for (let index = 0; index < repeat; index++) sink = action();
  return Number(process.hrtime.bigint() - start) / 1000 / repeat;
}

/** How often to repeat so that a round takes about `roundTime`; warms the code up as well. */
function calibrate(action, roundTime) {
  let repeat = 1;
  for (;;) {
    const micros = time(action, repeat) * repeat;
    if (micros >= roundTime * 300) {
      return Math.max(1, Math.round((repeat * roundTime * 1000) / micros));
    }
    repeat *= 4;
  }
}

function rotate(list, by) {
  const start = by % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export { sink };

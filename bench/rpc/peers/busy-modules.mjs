// A module that computes; worker threads import it, too.
export const peer = {
  echo(value) {
    compute();
    return value;
  },
};

/** See `millisecond` in ../workloads.mjs. */
const steps = Number(process.env.BACKWATER_BENCH_STEPS);

function compute() {
  let state = 1;
  for (let index = 0; index < steps; index++) state = (Math.imul(state, 1103515245) + 12345) | 0;
  // Otherwise V8 could leave out the loop.
  globalThis.sink = state;
}

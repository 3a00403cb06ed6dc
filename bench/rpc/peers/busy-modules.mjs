/** The modules of a server, as worker threads import them too. */
export const peer = {
  echo(value) {
    compute();
    return value;
  },
};

/** The same work for everybody: see `millisecond` in ../workloads.mjs. */
const steps = Number(process.env.BACKWATER_BENCH_STEPS);

function compute() {
  let state = 1;
  for (let index = 0; index < steps; index++) state = (Math.imul(state, 1103515245) + 12345) | 0;
  // So that the loop is not left out.
  globalThis.sink = state;
}

/** The modules of a server, as worker threads import them too. */
export const bench = {
  echo(value) {
    compute();
    return value;
  },
};

/** The same work for everybody, about a millisecond on the machines of these years. */
function compute() {
  let state = 1;
  for (let index = 0; index < 300_000; index++) state = (Math.imul(state, 1103515245) + 12345) | 0;
  // So that the loop is not left out.
  globalThis.sink = state;
}

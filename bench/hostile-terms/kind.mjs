// `node --expose-gc kind.mjs NAME BYTES ROUNDS` measures one kind.
import { setImmediate } from 'node:timers/promises';
import { decode } from 'backwater';
import { kinds, VERSION } from './kinds.mjs';

const [name, size, rounds] = process.argv.slice(2);
const { make, options } = kinds[name];
const term = make(Number(size));
const bytes = Buffer.concat([VERSION, term]);
const settings = { ...options, maxTerms: 2 ** 28 - 1 };

const used = () => {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

const samples = [];
for (let round = 0; round < Number(rounds); round++) {
  const before = used();
  const start = process.cpuUsage();
  let value = decode(bytes, settings);
  const { user, system } = process.cpuUsage(start);
  const memory = used() - before;
  if (value !== undefined) value = undefined;
  samples.push({ seconds: (user + system) / 1e6, memory });
  // The decoder forgets atoms between turns of the event loop.
  await setImmediate();
}
console.log(
  JSON.stringify({
    bytes: bytes.length,
    first: samples[0].seconds,
    seconds: Math.min(...samples.map(({ seconds }) => seconds)),
    memory: Math.max(...samples.map(({ memory }) => memory)),
  }),
);

/** fleet.ts starts this with address, port and number. */
import { startClearServer } from '../../src/index.js';
import { secret } from './rpc.js';

const [host, port, index] = process.argv.slice(2);
let held = 0;
let awaited = Infinity;

function look(): void {
  if (held < awaited) return;
  process.send!(awaited);
  awaited = Infinity;
}

await startClearServer(
  secret,
  {
    m: {
      who: () => Number(index),
      hold: async (milliseconds: number) => {
        held++;
        look();
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        held--;
        return Number(index);
      },
    },
  },
  { host: host!, port: Number(port) },
);
process.on('message', (count: number) => {
  awaited = count;
  look();
});
process.send!('listening');

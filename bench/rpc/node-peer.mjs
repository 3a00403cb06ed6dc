// node node-peer.mjs NAME server|client: the server or client of a peer.
import { answerCommands } from './json-process.mjs';
import { loadPeer } from './peers/load.mjs';
import { setTimeout as sleep } from 'node:timers/promises';
import { summary } from './statistics.mjs';
import { workloadOf } from './workloads.mjs';

const [name, role] = process.argv.slice(2);
const peer = await loadPeer(name);

const roles = { server: (command) => peer.serve(command), client: drive };

/** Connections outlive a command. */
const clients = new Map();
const ended = new Error('the time is up');

/** `pause`: milliseconds that consumers of streams wait after each item. */
async function drive({ port, workload, inFlight, connections, seconds, pause, clientOptions }) {
  const options = clientOptions;
  const key = `${port} ${inFlight} ${connections} ${JSON.stringify(options)}`;
  if (!clients.has(key)) clients.set(key, peer.connect(port, { inFlight, connections, options }));
  const client = clients.get(key);
  const times = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const pace = async () => {
    if (performance.now() >= end) throw ended;
    await sleep(pause);
  };
  const work = { ...workloadOf(workload), ...(pause && { pace }) };
  const caller = async () => {
    for (;;) {
      const since = performance.now();
      if (since >= end) return;
      await client.call(work).catch((error) => {
        if (error !== ended) throw error;
      });
      times.push((performance.now() - since) * 1000);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const took = (performance.now() - start) / 1000;
  return { requests: times.length, errors: 0, seconds: took, latency: summary(times) };
}

await answerCommands(roles[role]);

// A process with the server or the client of one peer: node node-peer.mjs NAME server|client
import { answerCommands } from './json-process.mjs';
import { peers } from './peers/index.mjs';
import { summary } from './statistics.mjs';
import { workloadOf } from './workloads.mjs';

const [name, role] = process.argv.slice(2);
const peer = peers[name];

const roles = {
  async server(command) {
    const { port } = await peer.serve(command);
    return { port };
  },
  client: drive,
};

/** Connections stay from one command to the next. */
const clients = new Map();

async function drive({ port, workload, inFlight, seconds, clientOptions }) {
  const key = `${port} ${inFlight} ${JSON.stringify(clientOptions)}`;
  if (!clients.has(key)) {
    for (const [old, client] of clients) {
      clients.delete(old);
      await client.close();
    }
    clients.set(key, peer.connect(port, inFlight, clientOptions));
  }
  const client = clients.get(key);
  const work = workloadOf(workload);
  const times = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const caller = async () => {
    for (;;) {
      const since = performance.now();
      if (since >= end) return;
      await client.call(work);
      times.push((performance.now() - since) * 1000);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const took = (performance.now() - start) / 1000;
  return { requests: times.length, errors: 0, seconds: took, latency: summary(times) };
}

await answerCommands(roles[role]);

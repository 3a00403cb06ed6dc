// One server of the fleet, in its own process: `node server.mjs '{"host":…,"port":…,"secret":…,"drainDelay":…}'`.
// Tells its parent when it listens, and exits on SIGTERM without losing a call.
import { setTimeout as sleep } from 'node:timers/promises';
import { startClearServer, startTlsServer } from 'backwater';

const { host, port, secret, drainDelay, tls } = JSON.parse(process.argv[2]);
const started = new Set();

const counter = {
  // Says whether this server has seen the id before, which only retries of idempotent calls may cause.
  async work(id) {
    const isRepeated = started.has(id);
    started.add(id);
    await sleep(2);
    return { id, isRepeated, server: `${host}:${port}` };
  },
};

const options = { host, port, health: '/healthz' };
const server = tls
  ? await startTlsServer(Buffer.from(secret, 'base64'), { counter }, { ...options, tls })
  : await startClearServer(Buffer.from(secret, 'base64'), { counter }, options);
process.on('SIGTERM', async () => {
  // The health check answers 503, callers move away, and calls in flight finish.
  await server.close({ drainDelay, timeout: 30_000 });
  process.exit(0);
});
process.on('disconnect', () => process.exit(1));
process.send('listening');

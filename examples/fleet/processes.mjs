// Starts processes that end with this one.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

export function start(command, args) {
  // Debian keeps daemons there.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const child = spawn(command, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  return watched(child, command);
}

export function startModule(url, args) {
  return watched(fork(url, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }), 'server.mjs');
}

function watched(child, name) {
  children.add(child);
  child.ended = new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      children.delete(child);
      resolve({ code, signal });
    });
    child.once('error', (error) => {
      children.delete(child);
      resolve({ error });
    });
  });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text) => (said += text));
  /** Rejects if the process exits before `promise` settles. */
  child.whileRunning = (promise) =>
    Promise.race([
      promise,
      child.ended.then(({ error, code }) => {
        throw new Error(
          `${name} has exited${error ? `: ${error.message}` : ` with ${code}`}\n${said}`,
        );
      }),
    ]);
  return child;
}

export async function stop(child, signal = 'SIGTERM') {
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  await child.ended;
}

export async function freePort(host) {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function listening(host, port) {
  for (;;) {
    const socket = new Socket();
    const connected = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.connect(port, host);
    });
    socket.destroy();
    if (connected) return;
    await sleep(20);
  }
}

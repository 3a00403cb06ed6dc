// A function that computes for a millisecond.
import { startClearServer } from '../../../build/index.js';
import { SECRET } from '../workloads.mjs';
import { request } from './backwater.mjs';

export { request };

const modules = new URL('./busy-modules.mjs', import.meta.url);

async function start(modulesOrUrl, options) {
  const server = await startClearServer(SECRET, modulesOrUrl, {
    compressionThreshold: Infinity,
    host: '127.0.0.1',
    port: 0,
    ...options,
  });
  return { port: server.port };
}

export const none = {
  title: 'backwater, 1 ms of work',
  request,
  serve: async () => start({ ...(await import(modules.href)) }, {}),
};

export const two = {
  title: 'backwater, 1 ms of work, two workers',
  request,
  serve: () => start(modules, { workers: 2 }),
};

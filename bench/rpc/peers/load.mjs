// The peers, in the order of the tables. Each has a title and some of
//   serve({ options }) → { port }      starts a server in a Node process
//   program() → [command, args, env]   another program, which prints {"port":N}
//   start() → { process, port }        starts its server itself
//   missing()                          why this machine cannot run it
//   connect(port, { inFlight, connections, options }) → { call(workload) → Promise, close() }
//   client                             the peer whose client calls this server
//   request(workload, port)            the request to replay, see replay.mjs
//   canned(workload)                   the response to a client that is measured alone
//   multiplexes                        calls share connections
export const PEERS = {
  backwater: () => import('./backwater.mjs'),
  rust: () => import('./rust.mjs'),
  grpc: () => import('./grpc.mjs'),
  'nice-grpc': () => import('./nice-grpc.mjs'),
  connect: () => import('./connect.mjs'),
  json: async () => (await import('./json.mjs')).plain,
  'json-hmac': async () => (await import('./json.mjs')).signed,
  fastify: () => import('./fastify.mjs'),
  bun: async () => (await import('./runtimes.mjs')).bun,
  deno: async () => (await import('./runtimes.mjs')).deno,
  capnweb: () => import('./capnweb.mjs'),
  zeromq: () => import('./zeromq.mjs'),
  erlang: () => import('./erlang.mjs'),
};

/** Peers of other benchmarks. */
export const VARIANTS = {
  'backwater, busy': async () => (await PEERS.backwater()).busy,
  'backwater, idle': PEERS.backwater,
};

/** Loads only one peer's packages, since V8's collector visits whatever a process has loaded. */
export async function loadPeer(name) {
  const load = PEERS[name] ?? VARIANTS[name];
  return load === undefined ? (await import('./streams.mjs')).streamPeers[name] : load();
}

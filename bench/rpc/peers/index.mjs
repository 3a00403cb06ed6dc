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
import * as backwater from './backwater.mjs';
import * as capnweb from './capnweb.mjs';
import * as connect from './connect.mjs';
import * as erlang from './erlang.mjs';
import * as fastify from './fastify.mjs';
import { grpc, niceGrpc } from './grpc.mjs';
import { plain, signed } from './json.mjs';
import { bun, deno } from './runtimes.mjs';
import * as rust from './rust.mjs';
import { streamPeers } from './streams.mjs';
import * as zeromq from './zeromq.mjs';

export const peers = {
  backwater,
  rust,
  grpc,
  'nice-grpc': niceGrpc,
  connect,
  json: plain,
  'json-hmac': signed,
  fastify,
  bun,
  deno,
  capnweb,
  zeromq,
  erlang,
};

export const variants = {
  'backwater, busy': backwater.busy,
  'backwater, idle': backwater,
  ...streamPeers,
};

export const peerOf = (name) => peers[name] ?? variants[name];

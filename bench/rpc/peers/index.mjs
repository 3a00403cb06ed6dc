// The peers by name. Each module has some of
//   serve({ name }) → { port, close }      a server that returns its argument, in a process of its own
//   connect(port, inFlight) → { call(workload) → Promise, close() }
//   request(workload, port)                the request to replay, see replay.mjs
//   serverOf, connections                  another peer's server, and how many connections share the calls
//   canned(workload)                       the response that a client measured alone is given
import * as busy from './backwater-busy.mjs';
import * as backwater from './backwater.mjs';
import * as connectMultiplexed from './connect-multiplexed.mjs';
import * as connect from './connect.mjs';
import * as erlang from './erlang.mjs';
import * as fastify from './fastify.mjs';
import * as grpcMultiplexed from './grpc-multiplexed.mjs';
import * as grpc from './grpc.mjs';
import { plain, signed } from './json.mjs';
import * as rust from './rust.mjs';

export const peers = {
  backwater,
  rust,
  grpc,
  'grpc, 4': grpcMultiplexed,
  connect,
  'connect, 4': connectMultiplexed,
  json: plain,
  'json-hmac': signed,
  fastify,
  erlang,
  'backwater, busy': busy.none,
  'backwater, busy, 2 workers': busy.two,
  'backwater, idle': backwater,
};

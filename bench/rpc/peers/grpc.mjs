import grpcJs from '@grpc/grpc-js';
import { createChannel, createClient, createServer } from 'nice-grpc';
import { http2 } from '../replay.mjs';
import { encoded, MESSAGES, toMessage, toValue, typeOf } from './proto.mjs';
import { inTurns } from './shared.mjs';

export function definitionOf(responseStream) {
  const methods = Object.entries(MESSAGES).map(([form, message]) => {
    const type = typeOf(form);
    const serialize = (value) => type.encode(value).finish();
    const deserialize = (bytes) => type.decode(bytes);
    const method = {
      path: `/bench.Echo/Echo${message}`,
      requestStream: false,
      responseStream,
      requestSerialize: serialize,
      requestDeserialize: deserialize,
      responseSerialize: serialize,
      responseDeserialize: deserialize,
    };
    return [`echo${message}`, method];
  });
  return Object.fromEntries(methods);
}

const definition = definitionOf(false);
const limits = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
};
const serverOptions = { ...limits, 'grpc.max_concurrent_streams': 1024 };
/** Without a pool of its own, each client would share the connection of the first. */
const clientOptions = { ...limits, 'grpc.use_local_subchannel_pool': 1 };

const handlers = (echo) => Object.fromEntries(Object.keys(definition).map((name) => [name, echo]));

export const grpc = {
  title: '@grpc/grpc-js: protobuf',
  multiplexes: true,
  request,
  serve: () =>
    listen(
      definition,
      handlers((call, callback) => callback(null, call.request)),
    ),
  connect(port, { connections }) {
    return inTurns(connections, () => {
      const client = clientOf(definition, port);
      return {
        call: ({ form, value }) =>
          new Promise((resolve, reject) => {
            client[`echo${MESSAGES[form]}`](toMessage[form](value), (error, message) =>
              error ? reject(error) : resolve(toValue[form](message)),
            );
          }),
        close: () => client.close(),
      };
    });
  },
};

export function listen(offered, implementation) {
  const server = new grpcJs.Server(serverOptions);
  server.addService(offered, implementation);
  const credentials = grpcJs.ServerCredentials.createInsecure();
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, port) =>
      error ? reject(error) : resolve({ port }),
    );
  });
}

export function clientOf(called, port) {
  const Echo = grpcJs.makeGenericClientConstructor(called, 'Echo');
  return new Echo(`127.0.0.1:${port}`, grpcJs.credentials.createInsecure(), clientOptions);
}

export const niceGrpc = {
  title: 'nice-grpc: protobuf',
  multiplexes: true,
  request,
  async serve() {
    const server = createServer(serverOptions);
    server.add(
      definition,
      handlers(async (message) => message),
    );
    return { port: await server.listen('127.0.0.1:0') };
  },
  connect(port, { connections }) {
    return inTurns(connections, () => {
      const channel = createChannel(`127.0.0.1:${port}`, undefined, clientOptions);
      const client = createClient(definition, channel);
      return {
        call: async ({ form, value }) =>
          toValue[form](await client[`echo${MESSAGES[form]}`](toMessage[form](value))),
        close: () => channel.close(),
      };
    });
  },
};

function request(workload, port) {
  const message = encoded(workload);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const url = `http://127.0.0.1:${port}/bench.Echo/Echo${MESSAGES[workload.form]}`;
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  return http2(url, headers, Buffer.concat([prefix, message]));
}

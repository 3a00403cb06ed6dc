import grpcJs from '@grpc/grpc-js';
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

export const definition = definitionOf(false);
const limits = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
};
export const serverOptions = { ...limits, 'grpc.max_concurrent_streams': 1024 };
/** Without a pool of its own, each client would share the connection of the first. */
export const clientOptions = { ...limits, 'grpc.use_local_subchannel_pool': 1 };

export const handlers = (echo) =>
  Object.fromEntries(Object.keys(definition).map((name) => [name, echo]));

export const title = '@grpc/grpc-js: protobuf';
export const multiplexes = true;

export const serve = () =>
  listen(
    definition,
    handlers((call, callback) => callback(null, call.request)),
  );

export function connect(port, { connections }) {
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
}

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

export function request(workload, port) {
  const message = encoded(workload);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const url = `http://127.0.0.1:${port}/bench.Echo/Echo${MESSAGES[workload.form]}`;
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  return http2(url, headers, Buffer.concat([prefix, message]));
}

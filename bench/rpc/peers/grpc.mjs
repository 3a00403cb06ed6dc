// @grpc/grpc-js with protobufjs: messages are encoded and decoded by the code that protobufjs
// generates for each type, without a conversion to plain objects in between.
import grpc from '@grpc/grpc-js';
import { http2 } from '../replay.mjs';
import { encoded, MESSAGES, toMessage, toValue, typeOf } from './proto.mjs';

export const title = '@grpc/grpc-js: protobuf';

const definition = Object.fromEntries(
  Object.entries(MESSAGES).map(([form, message]) => {
    const type = typeOf(form);
    const serialize = (value) => type.encode(value).finish();
    const deserialize = (bytes) => type.decode(bytes);
    const method = {
      path: `/bench.Echo/Echo${message}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: serialize,
      requestDeserialize: deserialize,
      responseSerialize: serialize,
      responseDeserialize: deserialize,
    };
    return [`echo${message}`, method];
  }),
);

const limits = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
};

export function serve() {
  const server = new grpc.Server({ ...limits, 'grpc.max_concurrent_streams': 1024 });
  const echo = (call, callback) => callback(null, call.request);
  const handlers = Object.fromEntries(Object.keys(definition).map((name) => [name, echo]));
  server.addService(definition, handlers);
  return new Promise((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, port) =>
      error ? reject(error) : resolve({ port, close: () => server.forceShutdown() }),
    );
  });
}

export function connect(port) {
  const Echo = grpc.makeGenericClientConstructor(definition, 'Echo');
  const client = new Echo(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), limits);
  return {
    call: ({ form, value }) =>
      new Promise((resolve, reject) => {
        client[`echo${MESSAGES[form]}`](toMessage[form](value), (error, message) =>
          error ? reject(error) : resolve(toValue[form](message)),
        );
      }),
    close: () => client.close(),
  };
}

export function request(workload, port) {
  const message = encoded(workload);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const url = `http://127.0.0.1:${port}/bench.Echo/Echo${MESSAGES[workload.form]}`;
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  return http2(url, headers, Buffer.concat([prefix, message]));
}

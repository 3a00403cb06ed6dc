import { createServer } from 'node:http2';
import { create, createFileRegistry } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import { createClient } from '@connectrpc/connect';
import { connectNodeAdapter, createConnectTransport } from '@connectrpc/connect-node';
import { http2 } from '../replay.mjs';
import { encoded, MESSAGES, root, toMessage, toValue } from './proto.mjs';
import { inTurns, listening } from './shared.mjs';

export const title = 'connect-node: protobuf';
export const multiplexes = true;

/** What Connect's code generator would write. */
export function service(serverStreaming = false) {
  const file = create(FileDescriptorProtoSchema, {
    name: 'bench.proto',
    package: 'bench',
    syntax: 'proto3',
    messageType: Object.values(MESSAGES).map((name) => ({
      name,
      field: root.lookupType(`bench.${name}`).fieldsArray.map(fieldOf),
    })),
    service: [
      {
        name: 'Echo',
        method: Object.values(MESSAGES).map((name) => ({
          name: `Echo${name}`,
          inputType: `.bench.${name}`,
          outputType: `.bench.${name}`,
          serverStreaming,
        })),
      },
    ],
  });
  return createFileRegistry(file, () => undefined).getService('bench.Echo');
}

function fieldOf({ name, id, repeated, type }) {
  const scalar = Type[type.toUpperCase()];
  return {
    name,
    jsonName: name,
    number: id,
    label: repeated ? Label.REPEATED : Label.OPTIONAL,
    type: scalar ?? Type.MESSAGE,
    ...(scalar === undefined && { typeName: `.bench.${type}` }),
  };
}

export function serve() {
  const echo = (message) => message;
  return listen(service(), { echoRecord: echo, echoRecords: echo, echoBinary: echo });
}

export function listen(offered, handlers) {
  const handler = connectNodeAdapter({
    routes: (router) => router.service(offered, handlers),
    readMaxBytes: 1 << 26,
  });
  return listening(createServer(handler));
}

export function connect(port, { connections }) {
  return inTurns(connections, () => {
    const client = clientOf(service(), port);
    return {
      call: async ({ form, value }) =>
        toValue[form](await client[`echo${MESSAGES[form]}`](toMessage[form](value))),
      close() {},
    };
  });
}

export function clientOf(called, port) {
  const transport = createConnectTransport({
    baseUrl: `http://127.0.0.1:${port}`,
    httpVersion: '2',
    useBinaryFormat: true,
  });
  return createClient(called, transport);
}

export function request(workload, port) {
  const url = `http://127.0.0.1:${port}/bench.Echo/Echo${MESSAGES[workload.form]}`;
  return http2(url, { 'content-type': 'application/proto' }, Buffer.from(encoded(workload)));
}

// Server streaming: a call takes a whole stream, see `streams` in ../workloads.mjs.
import { createServer, get } from 'node:http';
import { Readable } from 'node:stream';
import { Client, startClearServer } from '../../../build/index.js';
import { SECRET, streams } from '../workloads.mjs';
import * as connectUnary from './connect.mjs';
import * as grpcUnary from './grpc.mjs';
import { MESSAGES, toMessage } from './proto.mjs';
import { listening } from './shared.mjs';

const FORMS = Object.keys(streams);

async function* repeat(form, change = (value) => value) {
  const { value, count } = streams[form];
  for (let index = 0; index < count; index++) yield change(value);
}

async function take(items, pace) {
  for await (const _item of items) if (pace !== undefined) await pace();
}

const backwater = {
  title: 'backwater',
  async serve() {
    const modules = { peer: { repeat: (form) => repeat(form) } };
    const options = { host: '127.0.0.1', port: 0, compressionThreshold: Infinity };
    const server = await startClearServer(SECRET, modules, options);
    return { port: server.port };
  },
  connect(port) {
    const url = `http://127.0.0.1:${port}`;
    const client = new Client({ url, secret: SECRET, maxStreams: 1000 });
    return {
      call: ({ form, pace }) => take(client.stream('peer', 'repeat', [form]), pace),
      close: () => client.close(),
    };
  },
};

const definition = grpcUnary.definitionOf(true);
const nameOf = (form) => `echo${MESSAGES[form]}`;
const handlers = (handle) => Object.fromEntries(FORMS.map((form) => [nameOf(form), handle(form)]));

const grpc = {
  title: '@grpc/grpc-js: protobuf',
  serve: () =>
    grpcUnary.listen(
      definition,
      handlers((form) => (call) => {
        Readable.from(repeat(form, toMessage[form])).pipe(call);
      }),
    ),
  connect(port) {
    const client = grpcUnary.clientOf(definition, port);
    return {
      call: ({ form, pace }) => take(client[nameOf(form)]({}), pace),
      close: () => client.close(),
    };
  },
};

const connect = {
  title: 'connect-node: protobuf',
  serve: () =>
    connectUnary.listen(
      connectUnary.service(true),
      handlers((form) => () => repeat(form, toMessage[form])),
    ),
  connect(port) {
    const client = connectUnary.clientOf(connectUnary.service(true), port);
    return { call: ({ form, pace }) => take(client[nameOf(form)]({}), pace), close() {} };
  },
};

const http = {
  title: 'node:http, chunked: lines of JSON',
  serve() {
    const encode = { record: (value) => `${JSON.stringify(value)}\n`, binary: (value) => value };
    const server = createServer(({ url }, response) => {
      const form = url.slice(1);
      Readable.from(repeat(form, encode[form])).pipe(response);
    });
    return listening(server);
  },
  connect: (port) => ({
    async call({ form, pace }) {
      const response = await new Promise((resolve, reject) => {
        get(`http://127.0.0.1:${port}/${form}`, resolve).on('error', reject);
      });
      await take(form === 'binary' ? response : linesOf(response), pace);
    },
    close() {},
  }),
};

async function* linesOf(response) {
  let rest = '';
  for await (const chunk of response.setEncoding('utf8')) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

export const streamPeers = {
  'stream: backwater': backwater,
  'stream: grpc': grpc,
  'stream: connect': connect,
  'stream: http': http,
};

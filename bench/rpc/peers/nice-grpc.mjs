import { createChannel, createClient, createServer } from 'nice-grpc';
import { clientOptions, definition, handlers, request, serverOptions } from './grpc.mjs';
import { MESSAGES, toMessage, toValue } from './proto.mjs';
import { inTurns } from './shared.mjs';

export const title = 'nice-grpc: protobuf';
export const multiplexes = true;
export { request };

export async function serve() {
  const server = createServer(serverOptions);
  server.add(
    definition,
    handlers(async (message) => message),
  );
  return { port: await server.listen('127.0.0.1:0') };
}

export function connect(port, { connections }) {
  return inTurns(connections, () => {
    const channel = createChannel(`127.0.0.1:${port}`, undefined, clientOptions);
    const client = createClient(definition, channel);
    return {
      call: async ({ form, value }) =>
        toValue[form](await client[`echo${MESSAGES[form]}`](toMessage[form](value))),
      close: () => channel.close(),
    };
  });
}

// Cap'n Web over WebSockets; its messages are JSON.
import { createServer } from 'node:http';
import { newWebSocketRpcSession, RpcTarget } from 'capnweb';
import { WebSocket, WebSocketServer } from 'ws';
import { inTurns, listening } from './shared.mjs';

export const title = 'capnweb: WebSocket';
export const multiplexes = true;

class Echo extends RpcTarget {
  echo(value) {
    return value;
  }
}

// A global from Node 22 on.
globalThis.WebSocket ??= WebSocket;

const limits = { maxMessageSize: 1 << 27 };

export function serve() {
  const server = createServer();
  const sockets = new WebSocketServer({ server, maxPayload: 1 << 27 });
  sockets.on('connection', (socket) => newWebSocketRpcSession(socket, new Echo(), { limits }));
  return listening(server);
}

export function connect(port, { connections }) {
  return inTurns(connections, () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { maxPayload: 1 << 27 });
    const api = newWebSocketRpcSession(socket, undefined, { limits });
    return { call: ({ value }) => api.echo(value), close: () => socket.close() };
  });
}

// From a DEALER to a ROUTER, with records as JSON.
import { Dealer, Router } from 'zeromq';
import { inTurns } from './shared.mjs';

export const title = 'zeromq: JSON';
export const multiplexes = true;

const encode = (form, value) => (form === 'binary' ? value : JSON.stringify(value));
const decode = (form, bytes) => (form === 'binary' ? bytes : JSON.parse(bytes.toString()));
const echo = (value) => value;
/** No limits, since ZeroMQ would drop messages. */
const options = { sendHighWaterMark: 0, receiveHighWaterMark: 0 };

export async function serve() {
  const router = new Router(options);
  await router.bind('tcp://127.0.0.1:0');
  const send = inOrder(router);
  void (async () => {
    for await (const [peer, id, form, body] of router) {
      const result = echo(decode(form.toString(), body));
      send([peer, id, encode(form.toString(), result)]);
    }
  })();
  return { port: Number(/\d+$/.exec(router.lastEndpoint)[0]) };
}

export function connect(port, { connections }) {
  return inTurns(connections, () => {
    const dealer = new Dealer(options);
    dealer.connect(`tcp://127.0.0.1:${port}`);
    const send = inOrder(dealer);
    const waiting = new Map();
    let next = 0;
    void (async () => {
      for await (const [id, body] of dealer) {
        const key = id.toString();
        const { form, resolve } = waiting.get(key);
        waiting.delete(key);
        resolve(decode(form, body));
      }
    })();
    return {
      call: ({ form, value }) =>
        new Promise((resolve) => {
          const key = String(next++);
          waiting.set(key, { form, resolve });
          send([key, form, encode(form, value)]);
        }),
      close: () => dealer.close(),
    };
  });
}

/** A socket takes one message at a time. */
function inOrder(socket) {
  const queue = [];
  let busy = false;
  return async (message) => {
    queue.push(message);
    if (busy) return;
    busy = true;
    for (let index = 0; index < queue.length; index++) await socket.send(queue[index]);
    queue.length = 0;
    busy = false;
  };
}

import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { BackwaterError, type Client } from '../src/index.js';
import { Authority } from './support/certificates.js';
import { answer, answerings, type Answering, type Outcome } from './support/hostile-answers.js';
import { connect, tcpServer } from './support/rpc.js';
import { tlsProxy } from './support/tls.js';

// Calls settle once, with a value only if it is verified, and the next call works.

const CALLS = 3;
const SHORT = 400;

for (const [what, answering, outcome] of answerings) {
  test(`answer over plain TCP: ${what}`, async (t) => {
    const { onSocket, calm } = peer(answering);
    const server = await tcpServer(t, onSocket);
    await tryAnswering(t, connect(t, server, { maxConnections: 2 }), outcome, calm);
  });
}

const authority = new Authority();
test.after.always(() => authority.remove());
const { cert, key } = authority.server();
const identity = { cert: readFileSync(cert), key: readFileSync(key) };

for (const [what, answering, outcome] of answerings) {
  test(`answer over TLS: ${what}`, async (t) => {
    const { onSocket, calm } = peer(answering);
    const { url } = await tcpServer(t, onSocket);
    const proxy = await tlsProxy(t, { port: Number(new URL(url).port) }, identity);
    const client = connect(t, proxy, { maxConnections: 2, tls: { ca: authority.cert } });
    await tryAnswering(t, client, outcome, calm);
  });
}

function peer(answering: Answering): {
  onSocket(socket: Socket): void;
  calm(): void;
} {
  let current = answering;
  return {
    onSocket(socket) {
      let read = Buffer.alloc(0);
      socket.on('error', () => {});
      socket.on('data', (data: Buffer) => {
        read = Buffer.concat([read, data]);
        const end = read.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = read.toString('latin1', 0, end);
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (read.length < end + 4 + length) return;
        read = read.subarray(end + 4 + length);
        current(socket, /x-request-id: (.*)\r\n/i.exec(head)![1]!);
      });
    },
    calm() {
      current = (socket, id) => void socket.write(answer(id));
    },
  };
}

async function tryAnswering(
  t: ExecutionContext,
  client: Client,
  outcome: Outcome,
  calm: () => void,
): Promise<void> {
  const times = 'value' in outcome || outcome[0] !== 'TimeoutError' ? {} : { recvTimeout: SHORT };
  let settled = 0;
  const calls = Array.from({ length: CALLS }, async () => {
    const result = await client.tryCall('m', 'f', [], times);
    settled++;
    return result;
  });
  for (const result of await Promise.all(calls)) {
    if ('value' in outcome) {
      t.deepEqual(result, { ok: true, value: outcome.value } as never);
    } else if (result.ok) {
      t.fail(`it has returned ${JSON.stringify(result.value)}`);
    } else {
      t.true(result.error instanceof BackwaterError);
      t.is((result.error as Error).name, outcome[0]);
      t.regex((result.error as Error).message, outcome[1]);
    }
  }
  t.is(settled, CALLS);
  calm();
  for (let count = 0; count < CALLS; count++) t.is(await client.call('m', 'f'), 'fine');
  t.is(client.stats().pending, 0);
  t.true(client.stats().connections <= 2);
}

import { connect as connectTcp, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { Client, ResponseAuthenticationError } from '../src/index.js';
import { secret, serve, tcpServer } from './support/rpc.js';

// A proxy that gives callers the authentic answers to other calls.

/** An answer in two parts, without the empty line between. */
interface Answer {
  readonly head: string;
  readonly body: Buffer;
}

async function between(
  t: ExecutionContext,
  port: number,
  mix: (answers: readonly [Answer, Answer]) => readonly [Answer, Answer],
): Promise<string> {
  const waiting: { socket: Socket; answer: Answer }[] = [];
  const { url } = await tcpServer(t, (socket) => {
    const upstream = connectTcp(port, '127.0.0.1');
    t.teardown(() => upstream.destroy());
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream);
    let received = Buffer.alloc(0);
    upstream.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const head = received.toString('latin1', 0, end);
      const length = Number(/^content-length: (\d+)/m.exec(head)![1]);
      if (received.length < end + 4 + length) return;
      waiting.push({ socket, answer: { head, body: received.subarray(end + 4) } });
      received = Buffer.alloc(0);
      if (waiting.length < 2) return;
      const [first, second] = waiting.splice(0) as [(typeof waiting)[0], (typeof waiting)[0]];
      mix([first.answer, second.answer]).forEach((answer, index) => {
        const { socket: to } = index === 0 ? first : second;
        to.write(`${answer.head}\r\n\r\n`, 'latin1');
        to.write(answer.body);
      });
    });
  });
  return url;
}

const HEADER = {
  id: /^x-request-id: .*$/m,
  digest: /^digest: .*$/m,
  signature: /^signature: .*$/m,
};

const take = (name: keyof typeof HEADER, to: Answer, from: Answer): Answer => ({
  ...to,
  head: to.head.replace(HEADER[name], HEADER[name].exec(from.head)![0]),
});

for (const [what, mix, reason] of [
  ['nothing', (one: Answer) => one, undefined],
  ['the whole answers', (_: Answer, other: Answer) => other, 'mismatched_request_id'],
  [
    'the answers except their ids',
    (one: Answer, other: Answer) => take('id', other, one),
    'invalid_signature',
  ],
  [
    'the answers except ids and signatures',
    (one: Answer, other: Answer) => take('signature', take('id', other, one), one),
    'invalid_signature',
  ],
  [
    'the bodies',
    (one: Answer, other: Answer) => ({ ...one, body: other.body }),
    'wrong_body_digest',
  ],
  [
    'the bodies with their digests',
    (one: Answer, other: Answer) => take('digest', { ...one, body: other.body }, other),
    'invalid_signature',
  ],
] as const) {
  test(`a proxy that swaps ${what} of two concurrent calls never swaps their results`, async (t) => {
    const server = await serve(t, { bank: { balance: (of: string) => `of ${of}` } });
    const url = await between(t, server.port, ([one, other]) => [mix(one, other), mix(other, one)]);
    const client = new Client({ url, secret, recvTimeout: 60_000 });
    t.teardown(() => client.close());
    for (let round = 0; round < 3; round++) {
      const [alice, bobby] = await Promise.all([
        client.tryCall('bank', 'balance', ['alice']),
        client.tryCall('bank', 'balance', ['bobby']),
      ]);
      if (reason === undefined) {
        t.deepEqual(
          [alice, bobby],
          [
            { ok: true, value: 'of alice' },
            { ok: true, value: 'of bobby' },
          ],
        );
        continue;
      }
      for (const result of [alice, bobby]) {
        const error = result.ok ? undefined : result.error;
        t.true(error instanceof ResponseAuthenticationError, JSON.stringify(result));
        t.is((error as ResponseAuthenticationError).reason, reason as never);
      }
    }
  });
}

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import {
  atom,
  Client,
  type ClientOptions,
  decodeResponse,
  encode,
  encodeRequest,
  ResponseError,
  tuple,
} from '../src/index.js';
import { exchangeRaw, requestBytes, signedAnswer, signedRequest } from './support/signing.js';
import { PATIENT, secret, serve } from './support/rpc.js';

// Erlang's backwater also sends gzip that is larger than the data. Limits hold for the data.

const noise = (length: number): Buffer => randomBytes(length);

/** gzip in stored blocks; smaller blocks make it longer. */
function stored(data: Buffer, blockSize: number): Buffer {
  const whole = gzipSync(data);
  const blocks: Buffer[] = [];
  for (let at = 0; at < data.length; at += blockSize) {
    const block = data.subarray(at, at + blockSize);
    const head = Buffer.from([at + blockSize >= data.length ? 1 : 0, 0, 0, 0, 0]);
    head.writeUInt16LE(block.length, 1);
    head.writeUInt16LE(~block.length & 0xffff, 3);
    blocks.push(head, block);
  }
  return Buffer.concat([whole.subarray(0, 10), ...blocks, whole.subarray(-8)]);
}

const bound = (size: number): number => size + (size >> 12) + (size >> 14) + (size >> 25) + 25;

async function answering(t: ExecutionContext, body: Buffer): Promise<string> {
  const server = createServer((request, response) => {
    const id = request.headers['x-request-id'] as string;
    const headers = { 'content-encoding': 'gzip' };
    request.resume().on('end', () => {
      response.writeHead(200, signedAnswer(secret, id, body, { headers })).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

for (const size of [400, 20_000, 1_000_000, 8 * 1024 * 1024]) {
  test(`a result of ${size} bytes within the limit is accepted even if gzip makes it longer`, async (t) => {
    const framing = encode(tuple(atom('return'), Buffer.of(255))).length - 1;
    const value = Buffer.concat([Buffer.of(255), noise(size - framing - 1)]);
    const term = encode(tuple(atom('return'), value));
    t.is(term.length, size);
    const body = gzipSync(term);
    t.true(body.length > size);
    const url = await answering(t, body);
    const call = async (options: Partial<ClientOptions>): Promise<unknown> => {
      await using client = new Client({ url, secret, ...PATIENT, ...options });
      return await client.call('m', 'f');
    };
    t.true(value.equals((await call({ maxEncodedResultSize: size })) as Buffer));
    const error = await t.throwsAsync(call({ maxEncodedResultSize: size - 1 }), {
      instanceOf: ResponseError,
    });
    t.regex(error!.message, new RegExp(`maxEncodedResultSize|limit of ${size - 1} bytes`));
  });
}

test('a gzip body that is longer than gzip would make it is refused', async (t) => {
  const term = encode(tuple(atom('return'), noise(100_000)));
  const limit = term.length;
  const within = stored(term, 16_383);
  const beyond = stored(term, 5000);
  t.true(within.length <= bound(limit) && beyond.length > bound(limit));
  for (const [body, isTaken] of [
    [within, true],
    [beyond, false],
  ] as const) {
    const url = await answering(t, body);
    await using client = new Client({ url, secret, ...PATIENT, maxEncodedResultSize: limit });
    const result = await client.tryCall('m', 'f');
    t.is(result.ok, isTaken);
    const { requestId } = encodeRequest({ url, secret }, 'm', 'f');
    const headers = signedAnswer(secret, requestId, body, {
      headers: { 'content-encoding': 'gzip' },
    });
    const decode = (): unknown =>
      decodeResponse(
        { secret, requestId },
        { status: 200, headers, body },
        { maxEncodedResultSize: limit },
      );
    if (isTaken) t.notThrows(decode);
    else t.throws(decode, { instanceOf: ResponseError, message: /maxEncodedResultSize/ });
  }
});

test('arguments within the limit are accepted even if gzip makes them longer', async (t) => {
  // Small enough to be sent completely before the refusal.
  const args = encode([noise(12_000)]);
  const limit = args.length;
  const modules = { m: { size: (bytes: Buffer) => bytes.length } };
  const status = async (
    maxEncodedArgsSize: number,
    body: Buffer,
    packed = true,
  ): Promise<number> => {
    const server = await serve(t, modules, { maxEncodedArgsSize });
    const request = signedRequest(secret, {
      target: '/backwater/1/m/size/1',
      body,
      headers: packed ? { 'content-encoding': 'gzip' } : {},
    });
    const { answers } = await exchangeRaw(server.port, requestBytes(request), 1);
    return answers[0]!.status;
  };
  const packed = gzipSync(args);
  t.true(packed.length > limit);
  t.is(await status(limit, packed), 200);
  t.is(await status(limit - 1, packed), 413);
  t.is(await status(limit, stored(args, 16_383)), 200);
  t.is(await status(limit, stored(args, 1000)), 413);
  t.is(await status(limit, args, false), 200);
  t.is(await status(limit - 1, args, false), 413);
});

import { request as httpRequest } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import {
  type CallOptions,
  decodeResponse,
  encodeRequest,
  type EncodeRequestOptions,
  OptionError,
  ResponseAuthenticationError,
  type Server,
} from '../src/index.js';
import { secret, serve } from './support/rpc.js';

const modules = { m: { repeat: (text: string, count: number) => text.repeat(count) } };
const LARGE = 'x'.repeat(100_000);

type Sender = (request: ReturnType<typeof encodeRequest>) => Promise<{
  status: number;
  headers: Headers | Record<string, string | string[] | undefined>;
  body: ArrayBuffer | Uint8Array;
}>;

const byFetch: Sender = async ({ url, method, headers, body }) => {
  const response = await fetch(url, { method, headers, body });
  const { status, headers: received } = response;
  return { status, headers: received, body: await response.arrayBuffer() };
};

const byNode: Sender = ({ url, method, headers, body }) =>
  new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    request.on('error', reject).end(body);
  });

async function callBy(
  send: Sender,
  server: Server,
  args: unknown[],
  options?: EncodeRequestOptions,
): Promise<{ value: unknown; encoding: string | undefined }> {
  const request = encodeRequest({ url: server.url, secret }, 'm', 'repeat', args, options);
  const { status, headers, body } = await send(request);
  const encoding =
    headers instanceof Headers ? headers.get('content-encoding') : headers['content-encoding'];
  const response = { status, headers, body };
  const value = decodeResponse({ secret, requestId: request.requestId }, response);
  return { value, encoding: encoding?.toString() };
}

for (const [name, send] of Object.entries({ fetch: byFetch, 'node:http': byNode })) {
  test(`${name} carries small and large calls`, async (t) => {
    const server = await serve(t, modules);
    for (const options of [undefined, { acceptEncoding: 'identity' as const }]) {
      t.is((await callBy(send, server, ['ab', 2], options)).value, 'abab');
      const large = await callBy(send, server, [LARGE, 3], options);
      t.true(large.value === LARGE.repeat(3));
      t.is(large.encoding, undefined);
    }
  });
}

test('an HTTP client that does not decompress bodies can request gzip', async (t) => {
  const server = await serve(t, modules);
  const { value, encoding } = await callBy(byNode, server, [LARGE, 3], { acceptEncoding: 'gzip' });
  t.is(encoding, 'gzip');
  t.true(value === LARGE.repeat(3));
});

test('a body that was decompressed on the way is refused with an explanation', async (t) => {
  const server = await serve(t, modules);
  const error = await t.throwsAsync(
    callBy(byFetch, server, [LARGE, 3], { acceptEncoding: 'gzip' }),
    { instanceOf: ResponseAuthenticationError },
  );
  t.is(error!.reason, 'wrong_body_digest');
  t.regex(error!.message, /has decompressed the body.*acceptEncoding 'identity'/);
  const request = encodeRequest({ url: server.url, secret }, 'm', 'repeat', ['ab', 2]);
  const { status, headers } = await byNode(request);
  const other = t.throws(
    () =>
      decodeResponse(
        { secret, requestId: request.requestId },
        { status, headers: headers as Headers, body: Buffer.from('changed') },
      ),
    { instanceOf: ResponseAuthenticationError },
  );
  t.notRegex(other!.message, /decompressed/);
});

test('accept-encoding is signed', (t) => {
  const target = { url: '127.0.0.1:8080', secret };
  const of = (options?: EncodeRequestOptions): Record<string, string> =>
    encodeRequest(target, 'm', 'f', [], options).headers;
  t.is(of()['accept-encoding'], 'identity');
  t.is(of({ acceptEncoding: 'gzip' })['accept-encoding'], 'gzip');
  t.regex(of()['authorization']!, /headers="[^"]*\baccept-encoding\b/);
});

function refused(t: ExecutionContext, act: () => unknown): OptionError {
  return t.throws(act, { instanceOf: OptionError })!;
}

test('encodeRequest refuses connection options', (t) => {
  const target = { url: 'https://127.0.0.1:8443', secret, tls: { ca: 'ca.pem' } };
  const tls = refused(t, () => encodeRequest(target as never, 'm', 'f'));
  t.is(tls.option, 'tls');
  t.regex(tls.message, /HTTP client makes the connection/);
  const unknown = refused(t, () =>
    encodeRequest({ ...target, tls: undefined, a: 1 } as never, 'm', 'f'),
  );
  t.is(unknown.option, 'a');
  const of = (options: object): unknown =>
    encodeRequest({ url: 'x', secret }, 'm', 'f', [], options as CallOptions);
  t.is(refused(t, () => of({ acceptEncoding: 'br' })).option, 'acceptEncoding');
  t.is(refused(t, () => of({ acceptEncodings: 'gzip' })).option, 'acceptEncodings');
});

test("options of the call take precedence over the target's", (t) => {
  const target = { url: 'x', secret, maxEncodedArgsSize: 10, objectKeys: 'atom' } as const;
  const of = (options?: EncodeRequestOptions): Buffer =>
    encodeRequest(target, 'm', 'f', [{ key: 1 }], options).body;
  t.throws(() => of(), { code: 'ERR_BACKWATER_SIZE' });
  const atoms = of({ maxEncodedArgsSize: 1000 });
  const binaries = of({ maxEncodedArgsSize: 1000, objectKeys: 'binary' });
  t.true(atoms.includes(Buffer.of(119, 3)) && !binaries.includes(Buffer.of(119, 3)));
});

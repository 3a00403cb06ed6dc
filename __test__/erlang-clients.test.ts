import test from 'ava';
import {
  erlangAvailable,
  startErlangClient,
  type ErlangCallOptions,
  type ErlangClient,
  type ErlangResult,
} from './interop/erlang.js';
import { Authority } from './support/certificates.js';
import { secret, serve } from './support/rpc.js';
import { serveTls } from './support/tls.js';

// How hackney, the HTTP client of Erlang's backwater, uses connections: it writes head and body
// separately, sends the whole body regardless of the response, and opens connections in advance.

const withErlang = erlangAvailable() ? test.serial : test.serial.skip;
const authority = new Authority();
const certificate = authority.server();
test.after.always(() => authority.remove());
const ssl = `[{verify, verify_peer}, {cacertfile, "${authority.cert}"}]`;

const modules = { m: { echo: (value: unknown) => value, size: (text: string) => text.length } };
const limit = 20_000;

let client: ErlangClient;
let names = 0;
test.before(() => {
  if (erlangAvailable()) client = startErlangClient({ secret });
});
test.after.always(async () => client?.close());

async function callAfresh(
  url: string,
  module: string,
  fn: string,
  args: string,
  options: ErlangCallOptions = {},
): Promise<ErlangResult> {
  const own = { connection: `connection ${names++}`, gzip: false, ssl };
  return client.call(url, module, fn, args, { ...own, ...options });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

for (const secured of [false, true]) {
  const over = secured ? 'TLS' : 'TCP';
  const start = async (
    t: Parameters<typeof serve>[0],
    options: { maxEncodedArgsSize?: number } = {},
  ): Promise<string> => {
    if (!secured) return (await serve(t, modules, options)).url;
    const server = await serveTls(t, modules, { ...options, tls: certificate });
    return `https://localhost:${server.port}`;
  };

  withErlang(`refusals of large bodies arrive over ${over}`, async (t) => {
    const url = await start(t, { maxEncodedArgsSize: limit });
    const body = '[binary:copy(<<7>>, 3000000)]';
    for (const [status, call] of [
      [413, () => callAfresh(url, 'm', 'size', body)],
      [403, () => callAfresh(url, 'other', 'size', body)],
      [401, () => callAfresh(url, 'm', 'size', body, { secret: 'another' })],
      [413, () => callAfresh(url, 'm', 'size', body, { piece: 65_536, pause: 10 })],
    ] as const) {
      const results = await Promise.all(Array.from({ length: 20 }, call));
      const seen = results.map((one) => ('status' in one ? one.status : JSON.stringify(one)));
      t.deepEqual(
        seen,
        Array.from({ length: 20 }, () => status),
      );
    }
  });

  // The system delays acknowledgements by 40 ms. If all calls are slow, the machine itself is slow.
  const onLinux = process.platform === 'linux' ? withErlang : test.serial.skip;

  onLinux(`request bodies do not wait for acknowledgements over ${over}`, async (t) => {
    const url = await start(t);
    const connection = `the same ${over}`;
    let elapsed = Infinity;
    for (let attempt = 0; attempt < 10 && elapsed >= 20_000; attempt++) {
      const each: number[] = [];
      for (let round = 0; round < 50; round++) {
        const result = await callAfresh(url, 'm', 'echo', `[${round}]`, { connection });
        t.like(result, { ok: `${round}` });
        each.push('elapsed' in result ? result.elapsed! : Infinity);
      }
      elapsed = median(each);
    }
    t.true(elapsed < 20_000, `${elapsed} µs`);
  });

  onLinux(`first requests do not wait for acknowledgements over ${over}`, async (t) => {
    const url = await start(t);
    let elapsed = Infinity;
    for (let attempt = 0; attempt < 10 && elapsed >= 20_000; attempt++) {
      const each: number[] = [];
      for (let round = 0; round < 15; round++) {
        const connection = `first ${over} ${attempt} ${round}`;
        t.like(await client.open(url, { connection, ssl }), { ok: 'open' });
        const result = await callAfresh(url, 'm', 'echo', '[1]', { connection });
        t.like(result, { ok: '1' });
        each.push('elapsed' in result ? result.elapsed! : Infinity);
      }
      elapsed = median(each);
    }
    t.true(elapsed < 20_000, `${elapsed} µs`);
  });

  for (const handshake of secured ? [true, false] : [true]) {
    const how = secured ? (handshake ? 'TLS' : 'TLS, before its handshake,') : 'TCP';
    withErlang(`connections over ${how} can be opened ahead of their calls`, async (t) => {
      const url = await start(t);
      const ahead = Array.from({ length: 4 }, (_, index) => `ahead ${how} ${index}`);
      for (const connection of ahead) {
        t.like(await client.open(url, { connection, ssl, handshake }), { ok: 'open' });
      }
      await new Promise((resolve) => setTimeout(resolve, 2000));
      for (const connection of ahead) {
        t.like(await callAfresh(url, 'm', 'echo', '[1]', { connection }), { ok: '1' });
        t.like(await callAfresh(url, 'm', 'echo', '[2]', { connection }), { ok: '2' });
      }
    });
  }
}

withErlang(
  "an Erlang caller gets the details of an error and the protocol's refusals",
  async (t) => {
    const server = await serve(
      t,
      {
        m: {
          fail: () => {
            const cause = new RangeError('inner');
            throw Object.assign(new TypeError('outer', { cause }), {
              code: 'E',
              data: { left: 2 },
            });
          },
          plain: () => {
            throw new TypeError('as ever');
          },
        },
      },
      { maxEncodedArgsSize: 100 },
    );
    const failed = await callAfresh(server.url, 'm', 'fail', '[]');
    t.like(failed, {
      class: 'error',
      reason:
        '{js_error,#{cause => #{message => <<"inner">>,name => <<"RangeError">>},code => <<"E">>,data => #{<<"left">> => 2},message => <<"outer">>,name => <<"TypeError">>}}',
    });
    const plain = await callAfresh(server.url, 'm', 'plain', '[]');
    t.like(plain, { reason: '{js_error,#{message => <<"as ever">>,name => <<"TypeError">>}}' });
    // The details of refusals are in a signed header, which the caller verifies and ignores.
    const arity = await callAfresh(server.url, 'm', 'fail', '[1]');
    t.like(arity, { status: 404, body: 'function_not_found' });
    t.is(
      (arity as { headers: Record<string, string> }).headers['x-backwater-detail'],
      'it takes 0 arguments',
    );
    const large = await callAfresh(server.url, 'm', 'fail', `[<<"${'x'.repeat(200)}">>]`);
    t.false('unauthenticated' in large);
  },
);

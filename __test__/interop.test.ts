import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  atom,
  charlist,
  charlistToString,
  decode,
  encode,
  raise,
  RemoteError,
  RemoteException,
  ResponseAuthenticationError,
  ResponseError,
  tuple,
} from '../src/index.js';
import {
  decodeInErlang,
  erlangAvailable,
  startErlangClient,
  startErlangServer,
} from './interop/erlang.js';
import { connect, secret, serve } from './support/rpc.js';
import { root } from './support/vectors.js';

// Serial, because starting ten Erlangs at once is slow.
const withErlang = erlangAvailable() ? test.serial : test.serial.skip;
const documents = ['twitter', 'citm', 'canada'].map(
  (name) =>
    JSON.parse(readFileSync(join(root, 'examples', 'data', `${name}.json`), 'utf8')) as unknown,
);

withErlang('Node calls Erlang: every kind of term survives a round trip', async (t) => {
  for (const minorVersion of [1, 2] as const) {
    for (const compressionThreshold of [0, 1_000_000_000]) {
      const server = await startErlangServer({ secret, minorVersion, compressionThreshold });
      const client = connect(t, server, { terms: 'exact', compressionThreshold });
      const names = (await client.call('peer', 'sample_names')) as unknown[];
      t.true(names.length > 10);
      for (const name of names) {
        const value = await client.call('peer', 'sample', [name]);
        t.is(await client.call('peer', 'equals', [name, value]), atom('true'), String(name));
      }
      await server.close();
    }
  }
});

withErlang('Node calls Erlang: strings, documents, exceptions, refusals', async (t) => {
  const server = await startErlangServer({ secret });
  t.teardown(() => server.close());
  const client = connect(t, server);
  const upper = await client.call('string', 'to_upper', [charlist('hello')]);
  t.is(charlistToString(upper as number[]), 'HELLO');
  t.is(
    await client.call('peer', 'describe', [{ a: [1, null, 'é'] }]),
    '#{<<"a">> => [1,nil,<<"é"/utf8>>]}',
  );
  for (const document of documents) {
    t.deepEqual(await client.call('peer', 'echo', [document]), document as never);
  }
  for (const kind of ['error', 'exit', 'throw'] as const) {
    const error = await t.throwsAsync(
      client.call('peer', 'raise', [atom(kind), tuple(atom('why'), 1)]),
      {
        instanceOf: RemoteException,
      },
    );
    t.is(error!.class, kind);
    t.deepEqual(error!.reason, tuple(atom('why'), 1) as never);
  }
  const crash = await t.throwsAsync(client.call('erlang', '/', [1, 0]), {
    instanceOf: RemoteException,
  });
  t.is(crash!.reason, atom('badarith'));
  t.true((crash!.stacktrace as unknown[]).length > 0);
  const hidden = await t.throwsAsync(client.call('os', 'getenv', []), { instanceOf: RemoteError });
  t.is(hidden!.status, 'forbidden');
  const missing = await t.throwsAsync(client.call('lists', 'nothing', [1]), {
    instanceOf: RemoteError,
  });
  t.is(missing!.status, 'not_found');
  const stranger = connect(t, server, { secret: 'another secret' });
  await t.throwsAsync(stranger.call('peer', 'echo', [1]), {
    instanceOf: ResponseAuthenticationError,
  });
});

withErlang('Node calls Erlang: both sides enforce the limit of 8 MiB', async (t) => {
  const server = await startErlangServer({ secret });
  t.teardown(() => server.close());
  const client = connect(t, server);
  // A list of one binary has 12 more bytes, {return, Binary} 17 in minor version 1.
  const limit = 8 * 1024 * 1024;
  t.is(await client.call('peer', 'size', ['x'.repeat(limit - 12)]), limit - 12);
  const over = await t.throwsAsync(client.call('peer', 'size', ['x'.repeat(limit - 11)]));
  t.regex(over!.message, /8388608/);
  const result = (await client.call('peer', 'big_binary', [limit - 100])) as string;
  t.is(result.length, limit - 100);
  await t.throwsAsync(client.call('peer', 'big_binary', [limit]), { instanceOf: ResponseError });
});

withErlang(
  'Node calls Erlang: calls do not notice connections that close after some requests',
  async (t) => {
    for (const [maxKeepalive, announce] of [
      [200, true],
      [7, true],
      [1, true],
      [200, false],
      [7, false],
      [1, false],
    ] as const) {
      const server = await startErlangServer({ secret, maxKeepalive, announce });
      const patient = { recvTimeout: 60_000, connectTimeout: 60_000 };
      // A server that does not announce the close may have begun a call that it does not answer.
      const client = connect(t, server, { ...patient, idempotent: !announce });
      for (let round = 0; round < 450; round++)
        t.is(await client.call('peer', 'echo', [round]), round);
      await server.close();
    }
  },
);

withErlang(
  'Node calls Erlang: a server that does not support timeouts accepts calls that send one',
  async (t) => {
    const server = await startErlangServer({ secret });
    t.teardown(() => server.close());
    const client = connect(t, server, { timeout: 60_000, recvTimeout: 50_000 });
    for (let round = 0; round < 3; round++) t.is(await client.call('peer', 'echo', [round]), round);
  },
);

withErlang('Erlang calls Node: every kind of term survives a round trip', async (t) => {
  const server = await serve(t, { node: { echo: (x: unknown) => x } }, { terms: 'exact' });
  const peer = startErlangClient({ secret });
  t.teardown(() => peer.close());
  const erlang = await startErlangServer({ secret });
  t.teardown(() => erlang.close());
  const names = (await connect(t, erlang).call('peer', 'sample_names')) as unknown[];
  for (const name of names) {
    const quoted = `'${String(name).replaceAll("'", "\\'")}'`;
    const result = await peer.call(
      server.url,
      'node',
      'echo',
      `[peer_functions:sample(${quoted})]`,
    );
    t.true('ok' in result, `${String(name)}: ${JSON.stringify(result)}`);
    const own = await connect(t, erlang, { terms: 'exact' }).call('peer', 'sample', [name]);
    t.deepEqual(
      encode(decode(Buffer.from('etf' in result ? result.etf : '', 'base64'), { terms: 'exact' })),
      encode(own),
    );
  }
});

withErlang('Erlang calls Node: exceptions, refusals, secrets, compression', async (t) => {
  const server = await serve(t, {
    node: {
      up: (text: string) => text.toUpperCase(),
      copies: (text: string, count: number) => text.repeat(count),
      fail: () => {
        throw Object.assign(new TypeError('no'), { code: 'E_NO' });
      },
      exit: () => raise('exit', atom('normal')),
      term: () => {
        throw tuple(atom('oops'), 1);
      },
    },
  });
  const peer = startErlangClient({ secret });
  t.teardown(() => peer.close());
  t.like(await peer.call(server.url, 'node', 'up', '[<<"héllo"/utf8>>]'), {
    ok: '<<"HÉLLO"/utf8>>',
  });
  t.like(await peer.call(server.url, 'node', 'copies', '[<<"ab">>, 5000]'), { packed: true });
  t.like(await peer.call(server.url, 'node', 'copies', '[<<"ab">>, 5000]', { gzip: false }), {
    packed: false,
  });
  const failed = await peer.call(server.url, 'node', 'fail', '[]');
  t.like(failed, {
    class: 'error',
    reason: '{js_error,#{code => <<"E_NO">>,message => <<"no">>,name => <<"TypeError">>}}',
  });
  t.regex(
    'stack' in failed ? failed.stack : '',
    /^\[\{node,fail,0,\[\{file,".*"\},\{line,\d+\}\]\}/,
  );
  t.like(await peer.call(server.url, 'node', 'exit', '[]'), { class: 'exit', reason: 'normal' });
  t.like(await peer.call(server.url, 'node', 'term', '[]'), { class: 'throw', reason: '{oops,1}' });
  t.like(await peer.call(server.url, 'other', 'up', '[1]'), { status: 403 });
  t.like(await peer.call(server.url, 'node', 'nothing', '[1]'), {
    status: 404,
    body: 'function_not_found',
  });
  t.like(await peer.call(server.url, 'node', 'up', '[<<>>]', { secret: 'another' }), {
    status: 401,
  });
});

withErlang('Erlang reads terms from this encoder', async (t) => {
  const values = [...documents, { a: 1.5, b: [true, null], c: 2n ** 70n }, 'x'.repeat(300)];
  const answers = await decodeInErlang(values.map((value) => encode(value)));
  answers.forEach((answer, index) => {
    t.deepEqual(
      decode(Buffer.from('reencoded' in answer ? answer.reencoded : '', 'base64')),
      values[index] as never,
    );
  });
});

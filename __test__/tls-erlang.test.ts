import test from 'ava';
import { TlsError } from '../src/index.js';
import { erlangAvailable, startErlangClient, startErlangServer } from './interop/erlang.js';
import { Authority } from './support/certificates.js';
import { connect, secret } from './support/rpc.js';
import { serveTls } from './support/tls.js';

// Serial, because starting many Erlangs at once is slow.
const withErlang = erlangAvailable() ? test.serial : test.serial.skip;
const authority = new Authority();
const other = new Authority('/CN=Somebody else');
const good = authority.server();
const alice = authority.issue({ subject: '/O=Tests/CN=alice' });
const ca = authority.cert;
test.after.always(() => {
  authority.remove();
  other.remove();
});

withErlang(
  'Node calls Erlang over TLS, on connections that close after every 7th call',
  async (t) => {
    const server = await startErlangServer({
      secret,
      certfile: good.cert,
      keyfile: good.key,
      maxKeepalive: 7,
    });
    t.teardown(() => server.close());
    const client = connect(t, server, { tls: { ca } });
    for (let index = 0; index < 50; index++)
      t.is(await client.call('peer', 'echo', [index]), index);
    const large = 'x'.repeat(1_000_000);
    t.is(await client.call('peer', 'echo', [large]), large);
    const stranger = connect(t, server, { tls: { ca: other.cert } });
    const error = await t.throwsAsync(stranger.call('peer', 'echo', [1]), { instanceOf: TlsError });
    t.is(error.reason, 'unknown_issuer');
  },
);

withErlang("Erlang accepts Node's client certificate", async (t) => {
  const server = await startErlangServer({
    secret,
    certfile: good.cert,
    keyfile: good.key,
    cacertfile: ca,
  });
  t.teardown(() => server.close());
  t.is(await connect(t, server, { tls: { ca, ...alice } }).call('peer', 'echo', [1]), 1);
  const mallory = other.issue({ subject: '/CN=mallory' });
  for (const tls of [{ ca }, { ca, ...mallory }]) {
    const client = connect(t, server, { tls });
    const error = await t.throwsAsync(client.call('peer', 'echo', [1]), { instanceOf: TlsError });
    t.is(error.reason, 'client_certificate_refused');
  }
});

for (const version of ['tlsv1.2', 'tlsv1.3']) {
  withErlang(`Erlang calls Node over ${version}, with and without a certificate`, async (t) => {
    const server = await serveTls(
      t,
      { m: { echo: (value: unknown) => value } },
      { tls: { ...good, clientCa: ca } },
    );
    const client = startErlangClient({ secret });
    t.teardown(() => client.close());
    const url = `https://localhost:${server.port}`;
    const trust = `{verify, verify_peer}, {versions, ['${version}']}, {cacertfile, "${ca}"}`;
    const shown = `{certfile, "${alice.cert}"}, {keyfile, "${alice.key}"}`;
    for (let index = 0; index < 10; index++) {
      const result = await client.call(url, 'm', 'echo', `[${index}]`, {
        ssl: `[${trust}, ${shown}]`,
        recvTimeout: 60_000,
      });
      t.like(result, { ok: `${index}` });
    }
    // httpc would reuse the same connection, regardless of the options of ssl.
    const stranger = startErlangClient({ secret });
    t.teardown(() => stranger.close());
    const without = await stranger.call(url, 'm', 'echo', '[1]', {
      ssl: `[${trust}]`,
      recvTimeout: 60_000,
    });
    t.true('failure' in without, JSON.stringify(without));
  });
}

import test from 'ava';
import { RemoteException } from '../../src/index.js';
import {
  erlangAvailable,
  type ErlangClient,
  type ErlangResult,
  startErlangClient,
  startErlangServer,
} from '../interop/erlang.js';
import { connect, secret } from '../support/rpc.js';
import { collect, RemoteServer, untilFailure } from '../support/streams/server.js';

const withErlang = erlangAvailable() ? test.serial : test.serial.skip;

const okOf = (result: ErlangResult): string =>
  'ok' in result ? result.ok : JSON.stringify(result);

let erlang: ErlangClient;
test.before(() => {
  if (erlangAvailable()) erlang = startErlangClient({ secret });
});
test.after.always(async () => erlang?.close());

withErlang('an Erlang client gets a stream as a list', async (t) => {
  const server = await RemoteServer.start(t);
  const call = (fn: string, args: string) => erlang.call(server.url, 's', fn, args);
  const list = await call('async', '[5]');
  t.is(okOf(list), '[0,1,2,3,4]');
  const none = await call('none', '[]');
  t.is(okOf(none), '[]');
  const long = await call('sync', '[20000]');
  t.regex(okOf(long), /^\[0,1,2.*,19999\]$/);
  const failed = await call('fails', '[3]');
  t.regex('reason' in failed ? failed.reason : JSON.stringify(failed), /as expected/);
  await server.noted(t, 'async ended', 'none ended', 'sync ended', 'fails ended');
  await server.settled(t);
});

withErlang('streaming from an Erlang server yields the items of a list, or a value', async (t) => {
  const server = await startErlangServer({ secret });
  t.teardown(() => server.close());
  const client = connect(t, server);
  const numbers = Array.from({ length: 1000 }, (_, number) => number);
  t.deepEqual(await collect(client.stream('lists', 'seq', [0, 999])), numbers);
  t.deepEqual(await collect(client.stream('peer', 'echo', [['a', 1]])), ['a', 1]);
  t.deepEqual(await collect(client.stream('peer', 'echo', [[]])), []);
  t.deepEqual(await collect(client.stream('peer', 'echo', [{ a: 1 }])), [{ a: 1 }]);
  const { items, error } = await untilFailure(client.stream('peer', 'raise', ['throw', 'no']));
  t.deepEqual(items, []);
  t.true(error instanceof RemoteException);
  t.is((error as RemoteException).class, 'throw');
  t.is(client.stats().pending, 0);
});

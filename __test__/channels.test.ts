import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import test from 'ava';
import { expose, type CallContext, type Interceptor, type TracedCall } from '../src/index.js';
import { connect, serve } from './support/rpc.js';

const modules = {
  m: {
    add: (a: number, b: number) => a + b,
    later: async (value: unknown) => await Promise.resolve(value),
    fail: () => {
      throw new TypeError('no');
    },
    tenant: expose.fn(({ metadata }: CallContext) => metadata.get('tenant') ?? 'none', {
      context: true,
    }),
  },
};

type Name = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error';
const names: readonly Name[] = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];

function listen(channel: 'backwater:call' | 'backwater:serve'): {
  events: [Name, TracedCall][];
  end: () => void;
} {
  const events: [Name, TracedCall][] = [];
  const handlers = Object.fromEntries(
    names.map((name) => [name, (call: TracedCall) => void events.push([name, call])]),
  ) as unknown as Record<Name, (call: object) => void>;
  const channels = tracingChannel(channel);
  channels.subscribe(handlers);
  return { events, end: () => void channels.unsubscribe(handlers) };
}

// Channels belong to the process, so these tests are serial.

test.serial('both channels publish the same object at each step of a call', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server);
  const made = listen('backwater:call');
  const served = listen('backwater:serve');
  t.is(await client.call('m', 'add', [1, 2]), 3);
  t.is(await client.call('m', 'later', [5]), 5);
  made.end();
  served.end();
  for (const [side, { events }] of [
    ['client', made],
    ['server', served],
  ] as const) {
    t.deepEqual(
      events.map(([name]) => name),
      ['start', 'end', 'asyncStart', 'asyncEnd', 'start', 'end', 'asyncStart', 'asyncEnd'],
    );
    const [first, second] = [events[0]![1], events[4]![1]];
    t.is(new Set(events.slice(0, 4).map(([, call]) => call)).size, 1);
    t.like(first, { side, module: 'm', function: 'add', args: [1, 2], result: 3 });
    t.like(second, { side, function: 'later', result: 5 });
    t.false('error' in first);
  }
  t.is(made.events[0]![1].requestId, served.events[0]![1].requestId);
  t.is(await client.call('m', 'add', [1, 2]), 3);
  t.is(made.events.length, 8);
});

test.serial('a failing call publishes its error', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server);
  const made = listen('backwater:call');
  const served = listen('backwater:serve');
  const error = await t.throwsAsync(client.call('m', 'fail'));
  made.end();
  served.end();
  for (const { events } of [made, served]) {
    t.deepEqual(
      events.map(([name]) => name),
      ['start', 'end', 'error', 'asyncStart', 'asyncEnd'],
    );
    t.false('result' in events[0]![1]);
  }
  t.is(made.events[0]![1].error, error);
  t.true(served.events[0]![1].error instanceof TypeError);
});

test.serial('a call that times out is published as ended', async (t) => {
  const server = await serve(t, modules);
  const hang: Interceptor = () => new Promise(() => {});
  const client = connect(t, server, { interceptors: [hang] });
  const made = listen('backwater:call');
  await t.throwsAsync(client.call('m', 'add', [1, 2], { timeout: 30 }));
  made.end();
  t.deepEqual(
    made.events.map(([name]) => name),
    ['start', 'end', 'error', 'asyncStart', 'asyncEnd'],
  );
});

test.serial('a start subscriber may change the metadata that interceptors get', async (t) => {
  const server = await serve(t, modules);
  const seen: unknown[] = [];
  const look: Interceptor = (call, next) => {
    seen.push(call);
    return next(call);
  };
  const client = connect(t, server, { interceptors: [look] });
  const channel = tracingChannel<TracedCall, TracedCall>('backwater:call');
  const onStart = (message: unknown): void => {
    seen.push(message);
    (message as TracedCall).metadata.set('tenant', 'agent');
  };
  channel.start.subscribe(onStart);
  t.is(await client.call('m', 'tenant'), 'agent');
  channel.start.unsubscribe(onStart);
  t.is(seen.length, 2);
  t.is(seen[0], seen[1]);
});

test.serial('bound stores apply to the function and the interceptors of a call', async (t) => {
  const storage = new AsyncLocalStorage<string>();
  const stores: (string | undefined)[] = [];
  const note: Interceptor = async (call, next) => {
    stores.push(storage.getStore());
    return await next(call);
  };
  const read = async (): Promise<string> => {
    await Promise.resolve();
    return storage.getStore() ?? 'none';
  };
  const server = await serve(t, { m: { read } }, { interceptors: [note] });
  const client = connect(t, server, { interceptors: [note] });
  const channels = { call: 'backwater:call', serve: 'backwater:serve' } as const;
  for (const [name, channel] of Object.entries(channels)) {
    const { start } = tracingChannel(channel);
    start.bindStore(storage as AsyncLocalStorage<unknown>, (call) => {
      return `${name} ${(call as TracedCall).function}`;
    });
  }
  const result = await client.call('m', 'read');
  for (const channel of Object.values(channels)) {
    tracingChannel(channel).start.unbindStore(storage as AsyncLocalStorage<unknown>);
  }
  t.is(result, 'serve read');
  t.deepEqual(stores, ['call read', 'serve read']);
  t.is(storage.getStore(), undefined);
});

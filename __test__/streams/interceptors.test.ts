import { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import anyTest from 'ava';
import {
  type CallContext,
  Client,
  ClosedError,
  expose,
  type Interceptor,
  RemoteError,
  TimeoutError,
  type TracedCall,
} from '../../src/index.js';
import { opentelemetry } from '../../src/opentelemetry.js';
import { connect, PATIENT, secret, serve } from '../support/rpc.js';
import { eventually } from '../support/stalling.js';
import { collect, untilFailure } from '../support/streams/server.js';

// Serial, because tracing channels see all calls.
const test = anyTest.serial;

const ended: string[] = [];
const store = new AsyncLocalStorage<string>();

async function* numbers(count: number): AsyncGenerator<number> {
  try {
    for (let number = 0; number < count; number++) yield number;
  } finally {
    ended.push(`numbers ${count}`);
  }
}

const modules = {
  m: {
    numbers,
    sync: function* (count: number) {
      for (let number = 0; number < count; number++) yield number;
    },
    async *fails() {
      yield 1;
      throw new TypeError('no');
    },
    list: () => [1, 2],
    one: () => 1,
    wait: expose.fn(
      async function* ({ signal }: CallContext) {
        yield 1;
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      },
      { context: true },
    ),
    async *stores() {
      yield store.getStore() ?? null;
      await Promise.resolve();
      yield trace.getActiveSpan()?.spanContext().spanId ?? null;
    },
  },
};

const doubling: Interceptor = async (call, next) => {
  const result = await next(call);
  if (!call.stream && call.side === 'client') return result;
  return (async function* () {
    for await (const item of result as AsyncIterable<number>) yield item * 2;
  })();
};

test('interceptors on both sides wrap the items and know whether a call is a stream', async (t) => {
  const seen: [string, boolean][] = [];
  const look: Interceptor = (call, next) => {
    seen.push([call.side, call.stream]);
    return next(call);
  };
  const server = await serve(t, modules, { interceptors: [look, doubling] });
  const client = connect(t, server, { interceptors: [look, doubling] });
  t.deepEqual(await collect(client.stream('m', 'numbers', [3])), [0, 4, 8]);
  t.deepEqual(await collect(client.stream('m', 'sync', [3])), [0, 4, 8]);
  t.deepEqual(await client.call('m', 'numbers', [3]), [0, 2, 4]);
  t.deepEqual(seen.slice(0, 2), [
    ['client', true],
    ['server', true],
  ]);
  t.deepEqual(seen.slice(4), [
    ['client', false],
    ['server', false],
  ]);
});

test('leaving the loop ends the generators of interceptors and of the function', async (t) => {
  const notes: string[] = [];
  const noting: Interceptor = async (call, next) => {
    const items = (await next(call)) as AsyncIterable<unknown>;
    return (async function* () {
      try {
        yield* items;
      } finally {
        notes.push(call.side);
      }
    })();
  };
  const server = await serve(t, modules, { interceptors: [noting] });
  const client = connect(t, server, { interceptors: [noting] });
  for await (const _ of client.stream('m', 'numbers', [1e9])) break;
  await eventually('all have ended', () =>
    Promise.resolve(notes.length === 2 && ended.includes('numbers 1000000000')),
  );
  t.deepEqual(notes, ['client', 'server']);
  await eventually('nothing is left', () =>
    Promise.resolve(server.stats().streams + server.stats().abandoned === 0),
  );
  t.is(client.stats().pending, 0);
});

test('an interceptor can answer with a stream, a list or a value', async (t) => {
  const answers = [numbers(2), [1, 2], 'x', undefined, new Set([1]).values()];
  const answering: Interceptor = () => Promise.resolve(answers.shift());
  const client = new Client({ url: 'http://127.0.0.1:1', secret, interceptors: [answering] });
  t.deepEqual(await collect(client.stream('m', 'f')), [0, 1]);
  t.deepEqual(await collect(client.stream('m', 'f')), [1, 2]);
  t.deepEqual(await collect(client.stream('m', 'f')), ['x']);
  t.deepEqual(await collect(client.stream('m', 'f')), [undefined]);
  t.deepEqual(await collect(client.stream('m', 'f')), [1]);
  t.is(client.stats().calls, 0);
  await client.close();
});

test('next rejects with errors before the first items, so that interceptors can retry', async (t) => {
  let attempts = 0;
  const refuseOnce: Interceptor = (call, next) => {
    if (call.side === 'server' && attempts++ === 0) throw new TypeError('not yet');
    return next(call);
  };
  const server = await serve(t, modules, { interceptors: [refuseOnce] });
  const ids: string[] = [];
  const repeating: Interceptor = async (call, next) => {
    ids.push(call.requestId);
    try {
      return await next(call);
    } catch {
      return await next(call);
    }
  };
  const client = connect(t, server, { interceptors: [repeating] });
  t.deepEqual(await collect(client.stream('m', 'numbers', [2])), [0, 1]);
  t.is(attempts, 2);
  t.is(client.stats().calls, 2);
  const missing = await untilFailure(client.stream('m', 'missing'));
  t.true(missing.error instanceof RemoteError);
});

test('streams that an interceptor starts but does not return are ended', async (t) => {
  const server = await serve(t, modules);
  const client = connect(t, server, {
    interceptors: [
      async (call, next) => {
        await next(call);
        return next(call);
      },
    ],
  });
  for await (const _ of client.stream('m', 'wait')) break;
  await eventually('both have ended', () =>
    Promise.resolve(client.stats().pending + server.stats().streams === 0),
  );
  t.is(server.stats().calls, 2);
});

test('a stream ends even if an interceptor never settles', async (t) => {
  const server = await serve(t, modules);
  const stuck: Interceptor = async (call, next) => {
    const items = (await next(call)) as AsyncIterable<unknown>;
    return (async function* () {
      yield* items;
      await new Promise(() => {});
    })();
  };
  const never: Interceptor = () => new Promise(() => {});
  for (const interceptors of [[stuck], [never]]) {
    const client = connect(t, server, { interceptors });
    const timed = await untilFailure(client.stream('m', 'numbers', [2], { timeout: 500 }));
    t.true(timed.error instanceof TimeoutError, String(timed.error));
    const controller = new AbortController();
    const stream = client.stream('m', 'numbers', [2], { signal: controller.signal });
    const failed = untilFailure(stream);
    await new Promise(setImmediate);
    controller.abort(new Error('enough'));
    t.is((await failed).error, controller.signal.reason);
    const left = client.stream('m', 'numbers', [2]);
    const waiting = [left.next(), left.next(), left.next()];
    await new Promise(setImmediate);
    await left.return();
    t.deepEqual((await Promise.all(waiting)).at(-1), { value: undefined, done: true });
    await client.close();
  }
});

test('an interceptor of a closed client starts no stream', async (t) => {
  const server = await serve(t, modules);
  let resume!: () => void;
  const waiting = new Promise<void>((resolve) => (resume = resolve));
  const client = new Client({
    url: server.url,
    secret,
    ...PATIENT,
    interceptors: [(call, next) => waiting.then(() => next(call))],
  });
  const begun = collect(client.stream('m', 'numbers', [2]));
  await new Promise(setImmediate);
  const closing = client.close();
  t.true((await untilFailure(client.stream('m', 'numbers', [1]))).error instanceof ClosedError);
  resume();
  t.deepEqual(await begun, [0, 1]);
  await closing;
});

test('tracing channels follow a stream until its end', async (t) => {
  const events: [string, string, TracedCall][] = [];
  for (const name of ['backwater:call', 'backwater:serve'] as const) {
    const channel = tracingChannel<TracedCall, TracedCall>(name);
    const note = (event: string) => (call: TracedCall) => void events.push([name, event, call]);
    const subscriber = {
      start: note('start'),
      end: note('end'),
      asyncStart: note('asyncStart'),
      asyncEnd: note('asyncEnd'),
      error: note('error'),
    };
    channel.subscribe(subscriber);
    t.teardown(() => channel.unsubscribe(subscriber));
  }
  const of = (side: string): string[] =>
    events.filter(([name]) => name === side).map(([, event]) => event);
  const server = await serve(t, modules);
  const client = connect(t, server);
  const stream = client.stream('m', 'wait');
  await stream.next();
  t.deepEqual(of('backwater:call'), ['start', 'end']);
  t.deepEqual(of('backwater:serve'), ['start', 'end']);
  await stream.return();
  t.deepEqual(of('backwater:call').slice(2), ['asyncStart', 'asyncEnd']);
  await eventually('the server notices', () => Promise.resolve(of('backwater:serve').length === 4));
  t.is(events[0]![2].items, 1);
  t.true(events[0]![2].stream);

  events.length = 0;
  await untilFailure(client.stream('m', 'fails'));
  t.deepEqual(of('backwater:call'), ['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
  t.deepEqual(of('backwater:serve'), ['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
  for (const [, , call] of events) t.is(call.items, 1);
});

test('a stream is one span on each side and records its number of items', async (t) => {
  const spans = new InMemorySpanExporter();
  const tracing = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  tracing.register();
  const byKind = (kind: SpanKind): ReadableSpan[] =>
    spans.getFinishedSpans().filter((span) => span.kind === kind);
  const interceptors = [opentelemetry()];
  const inStore: Interceptor = (call, next) => store.run('stored', () => next(call));
  const server = await serve(t, modules, { interceptors: [...interceptors, inStore] });
  const client = connect(t, server, { interceptors });

  const [stored, active] = await collect(client.stream('m', 'stores'));
  await eventually('both spans have ended', () =>
    Promise.resolve(spans.getFinishedSpans().length === 2),
  );
  const [own] = byKind(SpanKind.CLIENT);
  const [served] = byKind(SpanKind.SERVER);
  t.is(stored, 'stored');
  t.is(active, served!.spanContext().spanId);
  t.is(served!.parentSpanContext?.spanId, own!.spanContext().spanId);
  for (const span of [own!, served!]) {
    t.is(span.attributes['backwater.stream.items'], 2);
    t.is(span.attributes['rpc.status_code'], 'OK');
    t.is(span.status.code, SpanStatusCode.UNSET);
  }

  spans.reset();
  await untilFailure(client.stream('m', 'fails'));
  await eventually('both spans have ended', () =>
    Promise.resolve(spans.getFinishedSpans().length === 2),
  );
  for (const span of spans.getFinishedSpans()) {
    t.is(span.attributes['backwater.stream.items'], 1);
    t.is(span.attributes['error.type'], 'TypeError');
    t.is(span.status.code, SpanStatusCode.ERROR);
  }

  spans.reset();
  for await (const _ of client.stream('m', 'numbers', [1e9])) break;
  await eventually('both spans have ended', () =>
    Promise.resolve(spans.getFinishedSpans().length === 2),
  );
  t.is(byKind(SpanKind.CLIENT)[0]!.attributes['backwater.stream.items'], 1);

  spans.reset();
  t.deepEqual(await client.call('m', 'numbers', [3]), [0, 1, 2]);
  t.is(byKind(SpanKind.SERVER)[0]!.attributes['backwater.stream.items'], 3);
  t.is(byKind(SpanKind.CLIENT)[0]!.attributes['backwater.stream.items'], undefined);
});

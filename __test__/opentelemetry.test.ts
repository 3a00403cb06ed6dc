import { metrics, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import test from 'ava';
import {
  atom,
  type Client,
  expose,
  RemoteException,
  raise,
  type CallContext,
  type Interceptor,
} from '../src/index.js';
import { observe, opentelemetry } from '../src/opentelemetry.js';
import { connect, secret, serve, tcpServer } from './support/rpc.js';
import { requestBytes, signedRequest } from './support/signing.js';
import { erlangAvailable, startErlangServer } from './interop/erlang.js';
import { connect as connectSocket } from 'node:net';
import { once } from 'node:events';

const spans = new InMemorySpanExporter();
const tracing = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 2 ** 31 - 1 });
const metering = new MeterProvider({ readers: [reader] });

test.before(() => {
  // Like the SDK: W3C's propagators and AsyncLocalStorage.
  tracing.register();
  metrics.setGlobalMeterProvider(metering);
});

test.beforeEach(() => {
  spans.reset();
});

interface Point {
  readonly name: string;
  readonly unit: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: any;
}

async function points(prefix: string): Promise<Point[]> {
  exporter.reset();
  await metering.forceFlush();
  return exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap((scope) => scope.metrics)
    .filter(({ descriptor }) => descriptor.name.startsWith(prefix))
    .flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => {
        return { name: descriptor.name, unit: descriptor.unit, attributes, value };
      }),
    );
}

const byKind = (kind: SpanKind): ReadableSpan[] =>
  spans.getFinishedSpans().filter((span) => span.kind === kind);
const parentId = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;
const idOf = (span: ReadableSpan): string => span.spanContext().spanId;

const interceptors = [opentelemetry()];

test.serial('a call is a span on each side, in one trace', async (t) => {
  const server = await serve(
    t,
    { math: { add: (a: number, b: number) => a + b } },
    { interceptors },
  );
  const client = connect(t, server, { interceptors });
  await trace.getTracer('test').startActiveSpan('root', async (root) => {
    t.is(await client.call('math', 'add', [1, 2]), 3);
    root.end();
  });
  const [root] = byKind(SpanKind.INTERNAL);
  const [made] = byKind(SpanKind.CLIENT);
  const [served] = byKind(SpanKind.SERVER);
  t.is(spans.getFinishedSpans().length, 3);
  t.is(parentId(made!), idOf(root!));
  t.is(parentId(served!), idOf(made!));
  t.is(served!.spanContext().traceId, root!.spanContext().traceId);
  t.true(served!.parentSpanContext!.isRemote);
  for (const span of [made!, served!]) {
    t.is(span.name, 'math/add');
    t.is(span.status.code, SpanStatusCode.UNSET);
    t.is(span.instrumentationScope.name, 'backwater');
    t.like(span.attributes, {
      'rpc.system.name': 'backwater',
      'rpc.method': 'math/add',
      'rpc.status_code': 'OK',
    });
    t.false('error.type' in span.attributes);
  }
  t.like(made!.attributes, { 'server.address': '127.0.0.1', 'server.port': server.port });
  t.is(served!.attributes['network.peer.address'], '127.0.0.1');
  t.is(made!.attributes['backwater.request_id'], served!.attributes['backwater.request_id']);
});

test.serial('durations are histograms in seconds with the recommended buckets', async (t) => {
  const server = await serve(t, { timed: { f: () => 1 } }, { interceptors });
  const client = connect(t, server, { interceptors });
  for (let call = 0; call < 3; call++) await client.call('timed', 'f');
  await client.tryCall('timed', 'missing');
  const all = await points('rpc.');
  const of = (name: string, method: string): Point =>
    all.find((point) => point.name === name && point.attributes['rpc.method'] === method)!;
  for (const side of ['client', 'server']) {
    const { unit, value, attributes } = of(`rpc.${side}.call.duration`, 'timed/f');
    t.is(unit, 's');
    t.is(value.count, 3);
    t.deepEqual(
      value.buckets.boundaries,
      [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    );
    t.true(value.sum > 0 && value.sum < 600);
    t.is(attributes['rpc.status_code'], 'OK');
    t.false('backwater.request_id' in attributes);
  }
  const failed = of('rpc.client.call.duration', 'timed/missing');
  t.like(failed.attributes, { 'rpc.status_code': 'not_found', 'error.type': 'not_found' });
  t.is(of('rpc.server.call.duration', 'timed/missing'), undefined as never);
});

test.serial('failures have a status and an error.type of low cardinality', async (t) => {
  const modules = {
    m: {
      fail: () => {
        throw new RangeError('too far');
      },
      exit: () => raise('exit', atom('shutdown')),
      never: () => new Promise(() => {}),
      odd: () => {
        throw Object.assign(new Error('x'), { name: 'a name with spaces' });
      },
    },
  };
  const server = await serve(t, modules, { interceptors });
  const client = connect(t, server, { interceptors });
  const closed = await tcpServer(t, (socket) => socket.destroy());
  const lost = connect(t, closed, { interceptors });
  const controller = new AbortController();
  const expected: Record<string, string>[] = [];
  const attempt = async (call: Promise<unknown>, made: Record<string, string>): Promise<void> => {
    expected.push(made);
    await call.catch(() => {});
  };
  const exception = 'EXCEPTION';
  await attempt(client.call('m', 'fail'), { status: exception, type: 'RangeError' });
  await attempt(client.call('m', 'exit'), { status: exception, type: 'erlang:exit' });
  await attempt(client.call('m', 'odd'), { status: exception });
  await attempt(client.call('m', 'missing'), { status: 'not_found', type: 'not_found' });
  await attempt(client.call('m', 'never', [], { timeout: 50 }), { type: 'ERR_BACKWATER_TIMEOUT' });
  await attempt(lost.call('m', 'fail'), { type: 'ERR_BACKWATER_CONNECTION_LOST' });
  const aborted = client.call('m', 'never', [], { signal: controller.signal });
  controller.abort();
  await attempt(aborted, { type: 'AbortError' });
  const made = byKind(SpanKind.CLIENT);
  t.is(made.length, expected.length);
  for (const [index, { status, type }] of expected.entries()) {
    const { attributes, status: spanStatus } = made[index]!;
    t.is(spanStatus.code, SpanStatusCode.ERROR);
    t.is(attributes['rpc.status_code'], status, String(index));
    if (type !== undefined) t.is(attributes['error.type'], type);
  }
  t.is(made[3]!.attributes['backwater.reason'], 'function_not_found');
  const served = byKind(SpanKind.SERVER).slice(0, 3);
  t.deepEqual(
    served.map(({ attributes }) => attributes['error.type']),
    ['RangeError', 'erlang:exit', '_OTHER'],
  );
  t.is(served[0]!.events[0]!.name, 'exception');
  t.is(served[0]!.status.message, 'too far');
});

test.serial('a span includes all retries and later interceptors', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const twice: Interceptor = async (call, next) => [await next(call), await next(call)];
  const client = connect(t, server, { interceptors: [opentelemetry(), twice] });
  t.deepEqual(await client.call('m', 'f'), [1, 1]);
  t.is(spans.getFinishedSpans().length, 1);
});

test.serial('baggage and tracestate are propagated with the trace', async (t) => {
  const read = (): string | undefined => propagation.getActiveBaggage()?.getEntry('tenant')?.value;
  const server = await serve(t, { m: { read: () => read() ?? 'none' } }, { interceptors });
  const client = connect(t, server, { interceptors });
  const entries = { tenant: { value: 'acme & söhne' } };
  const { context } = await import('@opentelemetry/api');
  const active = propagation.setBaggage(context.active(), propagation.createBaggage(entries));
  t.is(await context.with(active, () => client.call('m', 'read')), 'acme & söhne');
  t.is(await client.call('m', 'read'), 'none');
});

test.serial('unsigned trace headers are ignored', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } }, { interceptors });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const usual = ['accept', 'accept-encoding', 'content-length', 'content-type', 'digest'];
  for (const signed of [[], ['traceparent']]) {
    const socket = connectSocket(server.port, '127.0.0.1');
    t.teardown(() => socket.destroy());
    const parts = {
      target: '/backwater/1/m/f/0',
      headers: { traceparent },
      signed: [...usual, 'x-request-id', ...signed],
    };
    socket.write(requestBytes(signedRequest(secret, parts)));
    t.regex(String((await once(socket, 'data'))[0]), /^HTTP\/1.1 200/);
  }
  const [ignored, believed] = byKind(SpanKind.SERVER);
  t.is(ignored!.parentSpanContext, undefined);
  t.is(parentId(believed!), 'b7ad6b7169203331');
  t.is(believed!.spanContext().traceId, '0af7651916cd43dd8448eb211c80319c');
});

test.serial('a parent propagates the trace without an interceptor', async (t) => {
  let client!: Client;
  const middle = {
    ask: expose.fn((parent: CallContext) => client.call('m', 'f', [], { parent }), {
      context: true,
    }),
  };
  const last = await serve(t, { m: { f: () => 1 } }, { interceptors });
  const first = await serve(t, { middle });
  client = connect(t, last);
  t.is(await connect(t, first, { interceptors }).call('middle', 'ask'), 1);
  const [made] = byKind(SpanKind.CLIENT);
  const [served] = byKind(SpanKind.SERVER);
  t.is(parentId(served!), idOf(made!));
});

test.serial('an invalid trace header does not fail the call', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } }, { interceptors });
  for (const traceparent of ['a\nb', ' x', '', 'é', 'x'.repeat(5000), 7 as never, 'a\0b']) {
    const spoil: Interceptor = (call, next) => {
      call.trace = { traceparent, baggage: traceparent };
      return next(call);
    };
    t.is(await connect(t, server, { interceptors: [spoil] }).call('m', 'f'), 1);
  }
});

(erlangAvailable() ? test.serial : test.serial.skip)(
  'one trace goes through two Node services to Erlang, which gets traceparent as a header',
  async (t) => {
    const erlang = await startErlangServer({ secret });
    t.teardown(() => erlang.close());
    const toErlang = connect(t, erlang, { interceptors });
    const second = { ask: () => toErlang.call('peer', 'request') };
    const secondServer = await serve(t, { second }, { interceptors });
    const toSecond = connect(t, secondServer, { interceptors });
    const first = { ask: () => toSecond.call('second', 'ask') };
    const firstServer = await serve(t, { first }, { interceptors });
    const request = await connect(t, firstServer, { interceptors }).call('first', 'ask');
    const made = byKind(SpanKind.CLIENT);
    const served = byKind(SpanKind.SERVER);
    const named = (list: ReadableSpan[], name: string): ReadableSpan =>
      list.find((span) => span.name === name)!;
    const chain = [
      named(made, 'first/ask'),
      named(served, 'first/ask'),
      named(made, 'second/ask'),
      named(served, 'second/ask'),
      named(made, 'peer/request'),
    ];
    t.is(parentId(chain[0]!), undefined);
    for (let index = 1; index < chain.length; index++) {
      t.is(parentId(chain[index]!), idOf(chain[index - 1]!), String(index));
    }
    const { traceId, spanId } = chain[4]!.spanContext();
    t.is(traceId, chain[0]!.spanContext().traceId);
    t.regex(JSON.stringify(request, jsonOfMaps), new RegExp(`00-${traceId}-${spanId}-01`));
    t.regex(JSON.stringify(request, jsonOfMaps), /"traceparent"/);
  },
);

function jsonOfMaps(_key: string, value: unknown): unknown {
  if (value instanceof Map) return [...value];
  return typeof value === 'bigint' ? String(value) : value;
}

test.serial('observe reports figures that interceptors cannot see', async (t) => {
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, server);
  const stopServer = observe(server);
  const stops = [observe(client, { attributes: { of: 'one' } })];
  const other = connect(t, server, { maxConnections: 1 });
  stops.push(observe(other, { attributes: { of: 'other' } }));
  await client.tryCall('m', 'missing');
  await client.call('m', 'f');
  await client.call('m', 'f');
  await other.call('m', 'f');
  const all = await points('backwater.');
  const value = (name: string, attributes: Record<string, string> = {}): unknown =>
    all.find(
      (point) =>
        point.name === name &&
        Object.entries(attributes).every(([key, each]) => point.attributes[key] === each),
    )?.value;
  t.is(value('backwater.client.calls', { of: 'one' }), 3);
  t.is(value('backwater.client.failures', { 'error.type': 'ERR_BACKWATER_REMOTE' }), 1);
  t.is(value('backwater.server.refused', { 'backwater.reason': 'function_not_found' }), 1);
  t.is(value('backwater.client.calls', { of: 'other' }), 1);
  t.is(value('backwater.client.connections', { of: 'one', 'backwater.state': 'idle' }), 1);
  t.is(value('backwater.client.connections', { of: 'one', 'backwater.state': 'used' }), 0);
  t.is(value('backwater.client.endpoints', { of: 'one', 'backwater.state': 'up' }), 1);
  t.is(value('backwater.client.endpoints', { of: 'one', 'backwater.state': 'ejected' }), 0);
  for (const name of ['queued', 'retries', 'failovers', 'hedges', 'connect_failures']) {
    const full = `backwater.client.${name === 'queued' ? 'calls.queued' : name}`;
    t.is(value(full, { of: 'one' }), 0, full);
  }
  t.is(value('backwater.server.calls'), 3);
  t.is(value('backwater.server.connections'), 2);
  t.is(value('backwater.server.calls.active'), 0);
  t.is(value('backwater.server.memory'), 0);
  for (const stop of [stopServer, ...stops]) stop();
  await client.call('m', 'f');
  const after = await points('backwater.server.calls');
  t.is(after.find(({ name }) => name === 'backwater.server.calls')?.value, 3);
});

test.serial('a program can supply its own tracer provider', async (t) => {
  const own = new InMemorySpanExporter();
  const tracerProvider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(own)] });
  const server = await serve(t, { m: { f: () => 1 } });
  const client = connect(t, server, { interceptors: [opentelemetry({ tracerProvider })] });
  t.is(await client.call('m', 'f'), 1);
  t.is(own.getFinishedSpans().length, 1);
  t.is(spans.getFinishedSpans().length, 0);
});

test.serial('rethrown errors are counted by their names', async (t) => {
  const fail = (): never => {
    throw new SyntaxError('no');
  };
  const server = await serve(t, { m: { fail } });
  const client = connect(t, server, { interceptors, rethrowRemoteExceptions: true });
  const error = await t.throwsAsync(client.call('m', 'fail'), { name: 'SyntaxError' });
  t.false(error instanceof RemoteException);
  t.is(byKind(SpanKind.CLIENT)[0]!.attributes['error.type'], 'SyntaxError');
});

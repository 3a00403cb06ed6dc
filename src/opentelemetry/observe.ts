import {
  type Attributes,
  type BatchObservableResult,
  type Meter,
  type MeterProvider,
  metrics,
  type Observable,
} from '@opentelemetry/api';
import type { Client } from '../client/client.js';
import type { ClientStats } from '../client/stats.js';
import { attempt } from '../platform/inspect.js';
import type { Server, ServerStats } from '../server/server.js';
import { SCOPE } from './interceptor.js';
import { ATTRIBUTE, CLIENT, type Metric, SERVER } from './names.js';

/** Options of {@link observe}. */
export interface ObserveOptions {
  /** Default: the provider that the SDK has registered. */
  readonly meterProvider?: MeterProvider | undefined;
  /** To distinguish clients or servers. */
  readonly attributes?: Attributes | undefined;
}

/**
 * Reports the statistics of a client or a server as metrics: connections, queues, retries, ejected
 * servers, and requests that no function saw. Start the SDK first.
 *
 * @returns a function that stops the reports
 * @example
 * ```ts
 * import { Client } from 'backwater';
 * import { observe } from 'backwater/opentelemetry';
 * const client = new Client({ url: '127.0.0.1:8080', secret: process.env.SECRET! });
 * const stop = observe(client, { attributes: { 'backwater.client': 'stock' } });
 * ```
 */
export function observe(target: Client | Server, options: ObserveOptions = {}): () => void {
  const { meterProvider = metrics, attributes = {} } = options;
  const meter = meterProvider.getMeter(SCOPE);
  const stats = target.stats();
  if ('endpoints' in stats) return register(meter, CLIENT, target, clientFigures, attributes);
  return register(meter, SERVER, target, serverFigures, attributes);
}

type Figure<Name> = readonly [name: Name, value: number, attributes?: Attributes];

function register<Table extends Readonly<Record<string, Metric>>, Stats>(
  meter: Meter,
  table: Table,
  target: { stats(): unknown },
  figures: (stats: Stats) => Iterable<Figure<keyof Table>>,
  attributes: Attributes,
): () => void {
  const instruments = new Map<keyof Table, Observable>();
  for (const [key, { name, unit, description, isCounter }] of Object.entries(table)) {
    const instrument = isCounter
      ? meter.createObservableCounter(name, { unit, description })
      : meter.createObservableUpDownCounter(name, { unit, description });
    instruments.set(key, instrument);
  }
  const all = [...instruments.values()];
  const report = (result: BatchObservableResult): void => {
    // A closed server has no statistics.
    const stats = attempt(() => target.stats()) as Stats | undefined;
    if (stats === undefined) return;
    for (const [name, value, own] of figures(stats)) {
      result.observe(instruments.get(name)!, value, { ...attributes, ...own });
    }
  };
  meter.addBatchObservableCallback(report, all);
  return () => meter.removeBatchObservableCallback(report, all);
}

function* clientFigures(stats: ClientStats): Generator<Figure<keyof typeof CLIENT>> {
  yield ['active', stats.pending];
  yield ['queued', stats.queued];
  yield ['calls', stats.calls];
  yield* counts('failures', stats.failures, ATTRIBUTE.errorType);
  yield ['connections', stats.idle, { [ATTRIBUTE.state]: 'idle' }];
  yield ['connections', stats.connections - stats.idle, { [ATTRIBUTE.state]: 'used' }];
  yield ['connectFailures', stats.connectFailures];
  yield ['retries', stats.retries];
  yield ['failovers', stats.failovers];
  yield ['hedges', stats.hedges];
  for (const state of ['up', 'ejected', 'probing'] as const) {
    const { length } = stats.endpoints.filter((endpoint) => endpoint.state === state);
    yield ['endpoints', length, { [ATTRIBUTE.state]: state }];
  }
}

function* serverFigures(stats: ServerStats): Generator<Figure<keyof typeof SERVER>> {
  yield ['active', stats.pending];
  yield ['abandoned', stats.abandoned];
  yield ['calls', stats.calls];
  yield* counts('refused', stats.refused, ATTRIBUTE.reason);
  yield* counts('exceptions', stats.exceptions, ATTRIBUTE.errorType);
  yield ['connections', stats.connections];
  yield ['memory', stats.bytesInFlight];
}

function* counts<Name>(
  name: Name,
  figures: Readonly<Record<string, number>>,
  attribute: string,
): Generator<Figure<Name>> {
  for (const [key, value] of Object.entries(figures)) yield [name, value, { [attribute]: key }];
}

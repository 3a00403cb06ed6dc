import {
  type Attributes,
  type Context,
  context as contexts,
  type Histogram,
  type MeterProvider,
  metrics,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace as traces,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import type { InterceptedCall, Interceptor, Next } from '../calls/interceptor.js';
import { isStreamOf, ObservedStream } from '../calls/streams.js';
import { RemoteError } from '../errors/errors.js';
import { now } from '../platform/host.js';
import { isError, messageOf } from '../platform/realms.js';
import { ATTRIBUTE, DURATION, DURATION_BUCKETS, SYSTEM } from './names.js';
import { clientOutcome, type Outcome, serverOutcome, SUCCESS } from './outcome.js';

/** Options of {@link opentelemetry}. */
export interface OpenTelemetryOptions {
  /** Default: the provider that the SDK has registered. */
  readonly tracerProvider?: TracerProvider | undefined;
  /** Default: the provider that the SDK has registered. */
  readonly meterProvider?: MeterProvider | undefined;
}

interface Instruments {
  readonly tracer: Tracer;
  readonly durations: { readonly client: Histogram; readonly server: Histogram };
}

export const SCOPE = 'backwater';

/**
 * An interceptor for a client or a server that makes a span for every call and records its
 * duration.
 *
 * The trace travels in signed headers. Put the interceptor first, so that the span covers the
 * others. Start the SDK before the first call.
 *
 * @example
 * ```ts
 * import { Client } from 'backwater';
 * import { opentelemetry } from 'backwater/opentelemetry';
 * const interceptors = [opentelemetry()];
 * const client = new Client({ url: '127.0.0.1:8080', secret: process.env.SECRET!, interceptors });
 * ```
 */
export function opentelemetry(options: OpenTelemetryOptions = {}): Interceptor {
  let instruments: Instruments | undefined;
  return async (call, next) => {
    // Meters made before the SDK is registered never record anything.
    instruments ??= instrumentsOf(options);
    return await traced(call, next, instruments);
  };
}

function instrumentsOf({ tracerProvider, meterProvider }: OpenTelemetryOptions): Instruments {
  const meter = (meterProvider ?? metrics).getMeter(SCOPE);
  const histogram = ({ name, unit, description }: (typeof DURATION)['client' | 'server']) =>
    meter.createHistogram(name, {
      unit,
      description,
      advice: { explicitBucketBoundaries: DURATION_BUCKETS },
    });
  return {
    tracer: (tracerProvider ?? traces).getTracer(SCOPE),
    durations: { client: histogram(DURATION.client), server: histogram(DURATION.server) },
  };
}

async function traced(
  call: InterceptedCall,
  next: Next,
  { tracer, durations }: Instruments,
): Promise<unknown> {
  const { side } = call;
  const attributes = commonAttributes(call);
  const parent = parentOf(call);
  const kind = side === 'client' ? SpanKind.CLIENT : SpanKind.SERVER;
  const spanAttributes = { ...attributes, ...spanOnlyAttributes(call) };
  const name = String(attributes[ATTRIBUTE.method]);
  const span = tracer.startSpan(name, { kind, attributes: spanAttributes }, parent);
  const context = traces.setSpan(parent, span);
  if (side === 'client') inject(context, call);
  const start = now();
  const end = (failure: { readonly error: unknown } | undefined): void => {
    let outcome = SUCCESS;
    if (failure !== undefined) {
      const { error } = failure;
      outcome = side === 'client' ? clientOutcome(error) : serverOutcome(error);
      recordFailure(span, side, error);
    }
    const ending = outcomeAttributes(outcome);
    span.setAttributes(ending);
    span.end();
    durations[side].record((now() - start) / 1000, { ...attributes, ...ending }, context);
  };
  let result: unknown;
  try {
    result = await contexts.with(context, next, undefined, call);
  } catch (error) {
    end({ error });
    throw error;
  }
  if (isStreamOf(call, result)) {
    return new ObservedStream(result, (items, failure) => {
      span.setAttribute(ATTRIBUTE.items, items);
      end(failure);
    });
  }
  end(undefined);
  return result;
}

/** A client's active span takes precedence over the headers. */
function parentOf(call: InterceptedCall): Context {
  const active = contexts.active();
  if (call.side === 'client' && traces.getSpan(active) !== undefined) return active;
  return propagation.extract(active, call.trace);
}

/** Replaces the trace headers, unless no propagator is registered. */
function inject(context: Context, call: InterceptedCall): void {
  const carrier: Record<string, string> = {};
  propagation.inject(context, carrier);
  const { traceparent, tracestate, baggage } = carrier;
  if (traceparent !== undefined || baggage !== undefined) {
    call.trace = { traceparent, tracestate, baggage };
  }
}

function commonAttributes({ module, function: name, server }: InterceptedCall): Attributes {
  const attributes: Attributes = {
    [ATTRIBUTE.system]: SYSTEM,
    [ATTRIBUTE.method]: `${module}/${name}`,
  };
  if (server !== undefined) {
    attributes[ATTRIBUTE.serverAddress] = server.address;
    if (server.port !== undefined) attributes[ATTRIBUTE.serverPort] = server.port;
  }
  return attributes;
}

function spanOnlyAttributes({ requestId, context }: InterceptedCall): Attributes {
  const attributes: Attributes = { [ATTRIBUTE.requestId]: requestId };
  if (context === undefined) return attributes;
  const { peer, caller } = context;
  attributes[ATTRIBUTE.peerAddress] = peer.address;
  attributes[ATTRIBUTE.peerPort] = peer.port;
  if (caller !== undefined) attributes[ATTRIBUTE.caller] = caller;
  return attributes;
}

function outcomeAttributes({ status, errorType }: Outcome): Attributes {
  const attributes: Attributes = {};
  if (status !== undefined) attributes[ATTRIBUTE.status] = status;
  if (errorType !== undefined) attributes[ATTRIBUTE.errorType] = errorType;
  return attributes;
}

function recordFailure(span: Span, side: InterceptedCall['side'], error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error, 300) });
  if (error instanceof RemoteError) span.setAttribute(ATTRIBUTE.reason, error.reason.slice(0, 300));
  // A client's error has no useful stack.
  if (side === 'server' && isError(error)) span.recordException(error);
}

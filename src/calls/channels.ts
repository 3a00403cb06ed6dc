import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel';
import type { InterceptedCall } from './interceptor.js';
import { isStreamOf, ObservedStream } from './streams.js';

/**
 * What the tracing channels `backwater:call` (client) and `backwater:serve` (server) publish: the same object
 * for all events of a call.
 *
 * The first interceptor sees this object too, so a subscriber to `start` may set `trace` and `metadata`. The
 * events are as for `tracePromise`. For a stream, `error`, `asyncStart` and `asyncEnd` follow its end.
 */
export interface TracedCall extends InterceptedCall {
  /** The result, before a server encodes it. Set from `asyncStart` on, unless the call failed or streams. */
  result?: unknown;
  /** How many items a stream had. Set from `error` or `asyncStart` on. */
  items?: number;
  /** Why the call failed. Set from `error` on. */
  error?: unknown;
}

type Channel = TracingChannel<TracedCall, TracedCall>;

export const callChannel: Channel = tracingChannel('backwater:call');
export const serveChannel: Channel = tracingChannel('backwater:serve');

/** Early releases of Node 20 lack `hasSubscribers` for the channel as a whole. */
export function isTraced({ start, end, asyncStart, asyncEnd, error }: Channel): boolean {
  return (
    start.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers
  );
}

/**
 * Unlike `tracePromise`, this keeps the asynchronous stack, so that errors get the frames of the caller.
 *
 * @param run must reject instead of throwing
 */
export function traceCall(
  channel: Channel,
  call: TracedCall,
  run: () => Promise<unknown>,
): Promise<unknown> {
  return isTraced(channel) ? publish(channel, call, run) : run();
}

async function publish(
  channel: Channel,
  call: TracedCall,
  run: () => Promise<unknown>,
): Promise<unknown> {
  const running = channel.start.runStores(call, run);
  channel.end.publish(call);
  let result: unknown;
  try {
    result = await running;
  } catch (error) {
    publishEnd(channel, call, { error });
    throw error;
  }
  if (isStreamOf(call, result)) {
    return new ObservedStream(result, (items, failure) => {
      call.items = items;
      publishEnd(channel, call, failure);
    });
  }
  call.result = result;
  publishEnd(channel, call, undefined);
  return result;
}

function publishEnd(
  channel: Channel,
  call: TracedCall,
  failure: { readonly error: unknown } | undefined,
): void {
  if (failure !== undefined) {
    call.error = failure.error;
    channel.error.publish(call);
  }
  channel.asyncStart.publish(call);
  channel.asyncEnd.publish(call);
}

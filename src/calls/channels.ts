import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel';
import type { InterceptedCall } from './interceptor.js';
import { isStreamOf, ObservedStream } from './streams.js';

/**
 * What the tracing channels `backwater:call` (calls that clients make) and `backwater:serve` (calls that
 * servers answer) publish: the same object for all events of a call.
 *
 * The first interceptor sees this object too, so a subscriber to `start` may set `trace` and `metadata`.
 * Each call has the events of `tracePromise`: `start`, `end`, `error` if it fails, `asyncStart` and
 * `asyncEnd`. A stream has the last three when it has ended.
 */
export interface TracedCall extends InterceptedCall {
  /**
   * The result, before a server encodes it. Set from `asyncStart` on if the call has succeeded and was not
   * answered with a stream.
   */
  result?: unknown;
  /** How many items a stream had. Set from `error` or `asyncStart` on. */
  items?: number;
  /** The error. Set from `error` on if the call has failed. */
  error?: unknown;
}

type Channel = TracingChannel<TracedCall, TracedCall>;

/** Calls that clients of this thread make. */
export const callChannel: Channel = tracingChannel('backwater:call');
/** Calls that servers of this thread answer. */
export const serveChannel: Channel = tracingChannel('backwater:serve');

/** Whether anybody listens. Early releases of Node 20 have no `hasSubscribers` of the whole channel. */
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
 * Publishes what happens to a call. Unlike `tracePromise` this keeps the asynchronous stack, so that
 * errors get the frames of the code that awaits the call.
 *
 * @param run never throws, but rejects
 */
export async function traceCall(
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

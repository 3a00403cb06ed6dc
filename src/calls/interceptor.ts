import { types } from 'node:util';
import type { TraceHeaders } from '../options/metadata.js';
import { OptionError } from '../errors/errors.js';
import { option, type OptionType } from '../options/table.js';
import { inspectBriefly } from '../platform/inspect.js';
import type { CallContext } from './context.js';
import { isTuple } from '../terms/tuple.js';

/**
 * A call, as an {@link Interceptor} sees it.
 *
 * Change its properties, or pass a copy such as `{ ...call, args }` to `next`.
 */
export interface InterceptedCall {
  /** Whether this process makes or serves the call. */
  readonly side: 'client' | 'server';
  /** The module. Only a client's interceptor may change it. */
  module: string;
  /** The function. Only a client's interceptor may change it. */
  function: string;
  /** The arguments. A server's interceptor may replace them, but not change their number. */
  args: unknown[];
  /**
   * On a client, the metadata that `next` sends; on a server, the function's {@link CallContext.metadata}.
   */
  metadata: Map<string, string>;
  /** The W3C trace headers to send (client) or received (server). */
  trace: TraceHeaders;
  /**
   * Identifies the request in the logs of both sides. On a client, repeated calls of `next` get new identifiers.
   */
  readonly requestId: string;
  /**
   * Aborts when the caller has gone away. On a client, undefined unless the call has a `signal` or a
   * `parent`; you may pass another one to `next`.
   */
  signal?: AbortSignal | undefined;
  /**
   * When the caller gives up. On a client, an earlier date shortens the request, and a later one has no
   * effect.
   */
  deadline?: Date | undefined;
  /**
   * Whether the caller asked for a stream. If so, a client's `next` resolves with an async iterable when the
   * first items have arrived, and the interceptor may return another one.
   *
   * On the server, `next` resolves with an async iterable whenever the function streams.
   */
  readonly stream: boolean;
  /** The server. Only on clients that have a single one. */
  readonly server?:
    | {
        /** The host name or address. */
        readonly address: string;
        /** The port; undefined if it comes from an SRV record. */
        readonly port?: number | undefined;
      }
    | undefined;
  /** The context of the call. Server only. */
  readonly context?: CallContext | undefined;
}

/** Runs the next interceptor, or the call itself. */
export type Next = (call: InterceptedCall) => Promise<unknown>;

/**
 * Code that runs around every call. It may change the call and its result, answer without calling `next`,
 * call `next` several times, or throw.
 *
 * @example
 * ```ts
 * import { Client, type Interceptor } from 'backwater';
 * const timing: Interceptor = async (call, next) => {
 *   const start = performance.now();
 *   try {
 *     return await next(call);
 *   } finally {
 *     console.log(call.module, call.function, performance.now() - start);
 *   }
 * };
 * const secret = 'at least 32 bytes of random data';
 * const client = new Client({ url: '127.0.0.1:8080', secret, interceptors: [timing] });
 * ```
 */
export type Interceptor = (call: InterceptedCall, next: Next) => Promise<unknown>;

export function copied(
  list: readonly Interceptor[] | undefined,
): readonly Interceptor[] | undefined {
  return list === undefined || list.length === 0 ? undefined : Object.freeze([...list]);
}

/**
 * Runs interceptors, the first one outermost, and then `last`.
 *
 * @param repeat makes the call to send when an interceptor calls `next` again
 */
export function chain(
  interceptors: readonly Interceptor[],
  last: Next,
  repeat: (call: InterceptedCall) => InterceptedCall,
): Next {
  return interceptors.reduceRight<Next>(
    (next, interceptor) => (call) => run(interceptor, call, repeatable(next, repeat)),
    last,
  );
}

async function run(interceptor: Interceptor, call: InterceptedCall, next: Next): Promise<unknown> {
  return await interceptor(call, next);
}

function repeatable(next: Next, repeat: (call: InterceptedCall) => InterceptedCall): Next {
  let isRepeated = false;
  return async (call) => {
    checkIntercepted(call);
    const passed = isRepeated ? repeat(call) : call;
    isRepeated = true;
    return await next(passed);
  };
}

function checkIntercepted(call: unknown): asserts call is InterceptedCall {
  if (typeof call !== 'object' || call === null) {
    throw refused(`'next' takes the call, as in next(call), not ${inspectBriefly(call, 100)}`);
  }
  const { args, metadata, trace } = call as Partial<InterceptedCall>;
  if (!Array.isArray(args) || isTuple(args)) {
    throw refused(`'args' of an intercepted call takes an array, not ${inspectBriefly(args, 100)}`);
  }
  if (!types.isMap(metadata)) {
    const given = inspectBriefly(metadata, 100);
    throw refused(`'metadata' of an intercepted call takes a Map, not ${given}`);
  }
  if (typeof trace !== 'object' || trace === null) {
    throw refused(`'trace' of an intercepted call takes an object, not ${inspectBriefly(trace)}`);
  }
}

export function refused(message: string): OptionError {
  return new OptionError(message, { option: 'interceptors' });
}

const interceptorList: OptionType<readonly Interceptor[] | undefined> = {
  takes: 'a list of functions (call, next) => …',
  accepts: (value): value is readonly Interceptor[] =>
    Array.isArray(value) && Array.from<unknown>(value).every((item) => typeof item === 'function'),
};

export const interception = {
  /**
   * Functions that run around every call, the first one outermost.
   *
   * @defaultValue none
   */
  interceptors: option(interceptorList, undefined),
};

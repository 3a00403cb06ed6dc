import { types } from 'node:util';
import type { TraceHeaders } from '../options/metadata.js';
import { OptionError } from '../errors/errors.js';
import { option, type OptionType } from '../options/table.js';
import { inspectBriefly } from '../platform/inspect.js';
import type { CallContext } from './context.js';
import { isTuple } from '../terms/tuple.js';

/**
 * A call on its way to the function, as an {@link Interceptor} sees it.
 *
 * It is a plain object. Change its properties, or pass a copy such as `{ ...call, args }` to `next`.
 */
export interface InterceptedCall {
  /** Whether this process makes the call or serves it. */
  readonly side: 'client' | 'server';
  /** The name of the module. Only a client's interceptor may change it. */
  module: string;
  /** The name of the function. Only a client's interceptor may change it. */
  function: string;
  /** The arguments. A server's interceptor may replace them, but not change how many there are. */
  args: unknown[];
  /**
   * The metadata of the call. On the client, what it contains when you call `next` is sent; on the server,
   * the function finds it in {@link CallContext.metadata}.
   */
  metadata: Map<string, string>;
  /** The W3C trace headers of the call: those to send on the client, those received on the server. */
  trace: TraceHeaders;
  /**
   * Identifies the request in the logs of both sides. On the client, the second and later calls of the
   * same `next` each get an identifier of their own.
   */
  readonly requestId: string;
  /**
   * Aborts when the caller has gone away. On the client it is undefined unless the call has a
   * `signal` or a `parent`; what you pass to `next` applies to that one request.
   */
  signal?: AbortSignal | undefined;
  /**
   * When the caller gives up; undefined if it never does. On the client, an earlier date shortens the
   * request that `next` makes; a later one has no effect.
   */
  deadline?: Date | undefined;
  /**
   * Whether the caller asked for a stream. If so, `next` of a client resolves with an async iterable, once the
   * first items have arrived, and the interceptor may resolve with another one.
   *
   * On the server, `next` resolves with an async iterable whenever the function streams, also if the caller wants
   * the items as a list.
   */
  readonly stream: boolean;
  /** The server to call, if all calls of the client go to one name or address. Client only. */
  readonly server?:
    | {
        /** The host name or address. */
        readonly address: string;
        /** The port; undefined if it comes from an SRV record. */
        readonly port?: number | undefined;
      }
    | undefined;
  /** What the function can know about the call. Server only. */
  readonly context?: CallContext | undefined;
}

/** Continues with the next interceptor, and after the last one with the call itself. */
export type Next = (call: InterceptedCall) => Promise<unknown>;

/**
 * Code that runs around every call of a client or a server. It may change the call and its result, answer
 * without calling `next`, call `next` several times, or throw.
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

/** The interceptors of an option, as they are now; undefined if there are none. */
export function copied(
  list: readonly Interceptor[] | undefined,
): readonly Interceptor[] | undefined {
  return list === undefined || list.length === 0 ? undefined : Object.freeze([...list]);
}

/**
 * Runs a call through interceptors, the first one outermost, and then through `last`.
 *
 * @param repeat makes the call that is sent when an interceptor calls `next` once more
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

/** Interceptors that return a plain value, or throw before their first `await`, are fine. */
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

/** @throws {@link OptionError} if an interceptor has passed something else than a call to `next` */
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

/** The error for an interceptor that does what it must not. */
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

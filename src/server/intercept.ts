import { serveChannel, traceCall, type TracedCall } from '../calls/channels.js';
import { chain, type InterceptedCall, type Interceptor, refused } from '../calls/interceptor.js';
import { inThisContext, isStream } from '../calls/streams.js';
import { inspectBriefly } from '../platform/inspect.js';
import type { Context } from './context.js';
import type { RegisteredFunction } from './registry.js';

/** Rejects instead of throwing. */
export function serveIntercepted(
  target: RegisteredFunction,
  context: Context,
  args: unknown[],
  interceptors: readonly Interceptor[],
): Promise<unknown> {
  const call: TracedCall = {
    side: 'server',
    module: target.module,
    function: target.name,
    args,
    metadata: context.metadata,
    trace: context.trace,
    requestId: context.requestId,
    signal: context.signal,
    deadline: context.deadline,
    stream: context.stream,
    server: undefined,
    context,
  };
  const last = (passed: InterceptedCall): Promise<unknown> => invoke(target, context, passed);
  const next = chain(interceptors, last, (passed) => passed);
  return traceCall(serveChannel, call, () => next(call));
}

async function invoke(
  target: RegisteredFunction,
  context: Context,
  call: InterceptedCall,
): Promise<unknown> {
  const { module, name, arity } = target;
  if (call.module !== module || call.function !== name) {
    const given = inspectBriefly(`${call.module}:${call.function}`, 100);
    throw refused(
      `an interceptor of a server cannot redirect a call from ${module}:${name}/${arity} to ${given}`,
    );
  }
  if (call.args.length !== arity) {
    throw refused(
      `an interceptor has changed the number of args from ${arity} to ${call.args.length}: the server has already chosen ${module}:${name}/${arity}`,
    );
  }
  // The caller may have gone away meanwhile.
  if (context.signal.aborted) throw context.signal.reason;
  context.revise(call.metadata, call.trace);
  const args = target.context ? [context, ...call.args] : call.args;
  const result = await (Reflect.apply(target.fn, undefined, args) as unknown);
  return isStream(result) ? inThisContext(result) : result;
}

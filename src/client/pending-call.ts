import type { AsyncResource } from 'node:async_hooks';
import { bridge, type Pending } from '../bridge/bridge.js';
import { requestIdOf, setRequestId } from '../bridge/request-id.js';
import { readArrival } from '../codec/decoder.js';
import { reviversOf } from '../codec/revivers.js';
import type { Arrival } from '../codec/tape-buffers.js';
import { BackwaterError, RemoteError, TimeoutError } from '../errors/errors.js';
import { fromException } from '../exceptions/exceptions.js';
import { rejection } from '../platform/call-stack.js';
import { contextOfCaller } from '../platform/host.js';
import { attempt } from '../platform/inspect.js';
import { ownProperties } from '../platform/own-properties.js';
import { abortReason, offAbort, onAbort } from './abort.js';
import type { Call } from './intercept.js';
import type { CallSettings } from './options.js';

export interface Tally {
  pending: number;
  /** Bytes of the arguments of unsettled calls. */
  bytes: number;
  readonly failures: Map<string, number>;
}

/** The code of a cancelled call, as in Node. */
export const CANCELLED = 'ABORT_ERR';
/** The code of a remote exception, even if it is rethrown. */
const REMOTE_EXCEPTION = 'ERR_BACKWATER_REMOTE_EXCEPTION';

export function countFailure({ failures }: Tally, error: unknown): void {
  const code = attempt(() => (error as { code?: unknown }).code);
  const name = typeof code === 'string' ? code : 'ERR_BACKWATER_UNKNOWN';
  failures.set(name, (failures.get(name) ?? 0) + 1);
}

/**
 * One object with methods, because a closure for each outcome would cost more than the rest of a small call.
 * Does not keep the arguments.
 */
export class PendingCall implements Pending {
  protected id = 0;
  protected isSettled = false;
  readonly #tally: Tally;
  readonly #settings: CallSettings;
  readonly #resolve: ((value: unknown) => void) | undefined;
  readonly #reject: ((error: unknown) => void) | undefined;
  readonly #module: string;
  readonly #fn: string;
  readonly #arity: number;
  #size = 0;
  #cancel: (() => void) | undefined;
  /** Revivers run in the caller's context. */
  #scope: AsyncResource | undefined;

  /** @param resolve settles the promise of the call, like `reject`; streams have neither */
  constructor(
    tally: Tally,
    { module, fn, args, settings }: Call,
    resolve?: (value: unknown) => void,
    reject?: (error: unknown) => void,
  ) {
    this.#tally = tally;
    this.#settings = settings;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#module = module;
    this.#fn = fn;
    this.#arity = args.length;
  }

  begun(id: number, size: number): void {
    this.id = id;
    this.#size = size;
    this.#tally.pending++;
    this.#tally.bytes += size;
    const { signal, revivers } = this.#settings;
    if (reviversOf(revivers) !== undefined) this.#scope = contextOfCaller('BackwaterReply');
    if (signal === undefined) return;
    this.#cancel = () => {
      if (this.giveUp()) countFailure(this.#tally, { code: CANCELLED });
      this.abort(abortReason(signal));
    };
    // A getter of the arguments may have aborted it.
    if (signal.aborted) this.#cancel();
    else onAbort(signal, this.#cancel);
  }

  onReturn(arrival: Arrival): void {
    this.inScope(this.#return, arrival);
  }

  onException(arrival: Arrival): void {
    this.inScope(this.#raise, arrival);
  }

  onFailure(error: Error, requestId?: string): void {
    this.settle();
    this.failWith(this.#detailed(error), requestId);
  }

  #return(arrival: Arrival): void {
    this.settle();
    let value: unknown;
    try {
      value = this.read(arrival);
    } catch (error) {
      this.failWith(error, requestIdOf(arrival));
      return;
    }
    this.succeed(value);
  }

  #raise(arrival: Arrival): void {
    this.settle();
    const requestId = requestIdOf(arrival);
    let error: unknown;
    try {
      const { terms, revivers, rethrowRemoteExceptions } = this.#settings;
      // The program's tuple hooks must not see the tuples of an exception.
      const hooks = reviversOf(revivers)?.ofStructs;
      const exception = readArrival(arrival, terms === 'exact', hooks);
      error = fromException(exception as never, { rethrow: rethrowRemoteExceptions });
    } catch (failure) {
      this.failWith(failure, requestId);
      return;
    }
    countFailure(this.#tally, { code: REMOTE_EXCEPTION });
    setRequestId(error, requestId);
    this.fail(error, true);
  }

  protected succeed(value: unknown): void {
    this.#resolve?.(value);
  }

  protected fail(error: unknown, isRemote: boolean): void {
    this.#resolve?.(rejection(error, isRemote));
  }

  protected abort(reason: unknown): void {
    this.settle();
    this.#reject?.(reason);
  }

  protected inScope(run: (arrival: Arrival) => void, arrival: Arrival): void {
    if (this.#scope === undefined) run.call(this, arrival);
    else this.#scope.runInAsyncScope(run, this, arrival);
  }

  protected read(arrival: Arrival): unknown {
    const { terms, revivers } = this.#settings;
    return readArrival(arrival, terms === 'exact', reviversOf(revivers));
  }

  protected failWith(reason: unknown, requestId: string | undefined): void {
    const error = BackwaterError.from(reason);
    countFailure(this.#tally, error);
    setRequestId(error, requestId);
    this.fail(error, false);
  }

  /** Returns false if the call had ended. */
  protected giveUp(): boolean {
    if (bridge.forget(this.id) === undefined) return false;
    bridge.cancel(this.id);
    return true;
  }

  protected settle(): void {
    this.countEnd();
    this.ignoreSignal();
  }

  protected countEnd(): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.#scope?.emitDestroy();
    this.#tally.pending--;
    this.releaseArgs();
  }

  protected releaseArgs(): void {
    this.#tally.bytes -= this.#size;
    this.#size = 0;
  }

  protected ignoreSignal(): void {
    const { signal } = this.#settings;
    if (signal !== undefined && this.#cancel !== undefined) offAbort(signal, this.#cancel);
  }

  #detailed(error: Error): Error {
    if (error instanceof RemoteError) {
      const { detail } = ownProperties(error);
      const call = `${this.#module}:${this.#fn}/${this.#arity}`;
      return new RemoteError(error.httpStatus, error.reason, { call, detail });
    }
    // Rust knows only one limit for the whole call, whichever option sets it.
    const { bound } = this.#settings;
    if (bound === undefined || !(error instanceof TimeoutError) || error.option !== 'timeout') {
      return error;
    }
    const { phase, times, host, port } = error;
    return new TimeoutError({ phase, times, host, port, ...bound });
  }
}

import type { AsyncResource } from 'node:async_hooks';
import { abortReason, offAbort, onAbort } from './abort.js';
import { bridge, type Pending } from '../bridge/bridge.js';
import { rejection } from '../platform/call-stack.js';
import { readArrival } from '../codec/decoder.js';
import { reviversOf } from '../codec/revivers.js';
import type { Arrival } from '../codec/tape-buffers.js';
import { BackwaterError } from '../errors/errors.js';
import { requestIdOf, setRequestId } from '../bridge/request-id.js';
import { contextOfCaller } from '../platform/host.js';
import { attempt } from '../platform/inspect.js';
import { exceptionOf, failureOf } from './call-end.js';
import type { CallSettings } from './options.js';

export interface Tally {
  pending: number;
  /** Bytes of the arguments of unsettled calls. */
  bytes: number;
  readonly failures: Map<string, number>;
}

/** The code of a cancelled call, as in Node. */
export const CANCELLED = 'ABORT_ERR';

export function countFailure({ failures }: Tally, error: unknown): void {
  const code = attempt(() => (error as { code?: unknown }).code);
  const name = typeof code === 'string' ? code : 'ERR_BACKWATER_UNKNOWN';
  failures.set(name, (failures.get(name) ?? 0) + 1);
}

/** @internal The code of a remote exception, even if it is rethrown. */
export const REMOTE_EXCEPTION = 'ERR_BACKWATER_REMOTE_EXCEPTION';

/**
 * One object with methods, because a closure for each outcome would cost more than the rest of a small call.
 */
export class PendingCall implements Pending {
  readonly #tally: Tally;
  readonly #settings: CallSettings;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;
  readonly #module: string;
  readonly #fn: string;
  readonly #arity: number;
  #size = 0;
  #isSettled = false;
  #cancel: (() => void) | undefined;
  /** Revivers run in the caller's context. */
  #scope: AsyncResource | undefined;

  constructor(
    tally: Tally,
    settings: CallSettings,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
    module: string,
    fn: string,
    arity: number,
  ) {
    this.#tally = tally;
    this.#settings = settings;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#module = module;
    this.#fn = fn;
    this.#arity = arity;
  }

  begun(id: number, size: number): void {
    this.#size = size;
    this.#tally.pending++;
    this.#tally.bytes += size;
    const { signal, revivers } = this.#settings;
    if (reviversOf(revivers) !== undefined) this.#scope = contextOfCaller('BackwaterReply');
    if (signal === undefined) return;
    this.#cancel = () => {
      if (bridge.forget(id) === undefined) return;
      this.#settle();
      bridge.cancel(id);
      countFailure(this.#tally, { code: CANCELLED });
      this.#reject(abortReason(signal));
    };
    // A getter of the arguments may have aborted it.
    if (signal.aborted) this.#cancel();
    else onAbort(signal, this.#cancel);
  }

  onReturn(arrival: Arrival): void {
    if (this.#scope === undefined) this.#return(arrival);
    else this.#scope.runInAsyncScope(this.#return, this, arrival);
  }

  onException(arrival: Arrival): void {
    if (this.#scope === undefined) this.#raise(arrival);
    else this.#scope.runInAsyncScope(this.#raise, this, arrival);
  }

  #return(arrival: Arrival): void {
    this.#settle();
    let value: unknown;
    try {
      const { terms, revivers } = this.#settings;
      value = readArrival(arrival, terms === 'exact', reviversOf(revivers));
    } catch (error) {
      this.#fail(BackwaterError.from(error), requestIdOf(arrival));
      return;
    }
    this.#resolve(value);
  }

  #raise(arrival: Arrival): void {
    this.#settle();
    const requestId = requestIdOf(arrival);
    let error: unknown;
    try {
      error = exceptionOf(arrival, this.#settings);
    } catch (failure) {
      this.#fail(BackwaterError.from(failure), requestId);
      return;
    }
    countFailure(this.#tally, { code: REMOTE_EXCEPTION });
    setRequestId(error, requestId);
    this.#resolve(rejection(error, true));
  }

  onFailure(error: Error, requestId?: string): void {
    this.#settle();
    this.#fail(
      failureOf(error, {
        module: this.#module,
        fn: this.#fn,
        arity: this.#arity,
        settings: this.#settings,
      }),
      requestId,
    );
  }

  #fail(error: Error, requestId?: string): void {
    countFailure(this.#tally, error);
    setRequestId(error, requestId);
    this.#resolve(rejection(error));
  }

  #settle(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#scope?.emitDestroy();
    this.#tally.pending--;
    this.#tally.bytes -= this.#size;
    const { signal } = this.#settings;
    if (signal !== undefined && this.#cancel !== undefined) offAbort(signal, this.#cancel);
  }
}

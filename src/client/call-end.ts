import { readArrival } from '../codec/decoder.js';
import { reviversOf } from '../codec/revivers.js';
import type { Arrival } from '../codec/tape-buffers.js';
import { RemoteError, TimeoutError } from '../errors/errors.js';
import { fromException } from '../exceptions/exceptions.js';
import { ownProperties } from '../platform/own-properties.js';
import type { Term } from '../terms/values.js';
import type { CallSettings } from './options.js';

export interface MadeCall {
  readonly module: string;
  readonly fn: string;
  readonly arity: number;
  readonly settings: CallSettings;
}

export function exceptionOf(arrival: Arrival, settings: CallSettings): unknown {
  // The program's tuple hooks must not see the tuples of an exception.
  const revivers = reviversOf(settings.revivers)?.ofStructs;
  const exception = readArrival(arrival, settings.terms === 'exact', revivers) as readonly Term[];
  return fromException(exception as never, { rethrow: settings.rethrowRemoteExceptions });
}

export function failureOf(error: Error, { module, fn, arity, settings }: MadeCall): Error {
  if (error instanceof RemoteError) {
    const { detail } = ownProperties(error);
    const call = `${module}:${fn}/${arity}`;
    return new RemoteError(error.httpStatus, error.reason, { call, detail });
  }
  // Rust knows only one limit for the whole call, whichever option sets it.
  const { bound } = settings;
  if (bound === undefined || !(error instanceof TimeoutError) || error.option !== 'timeout') {
    return error;
  }
  const { phase, times, host, port } = error;
  return new TimeoutError({ phase, times, host, port, ...bound });
}

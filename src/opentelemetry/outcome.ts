import {
  BackwaterError,
  RemoteError,
  RemoteException,
  type ExceptionClass,
} from '../errors/errors.js';
import { RaisedException } from '../exceptions/exceptions.js';
import { attempt } from '../platform/inspect.js';
import { OTHER, STATUS } from './names.js';

/** A small vocabulary, so that metrics can be grouped by it. */
export interface Outcome {
  /** `rpc.status_code`; undefined if the server has not answered. */
  readonly status: string | undefined;
  /** `error.type`; undefined if the call succeeded. */
  readonly errorType: string | undefined;
}

export const SUCCESS: Outcome = { status: STATUS.ok, errorType: undefined };

export function clientOutcome(error: unknown): Outcome {
  if (error instanceof RemoteException) {
    const errorType = nameOf(error.remote) ?? exceptionType(error.class);
    return { status: STATUS.exception, errorType };
  }
  if (error instanceof RemoteError) {
    const status = String(error.status);
    return { status, errorType: status };
  }
  const code = error instanceof BackwaterError ? error.code : undefined;
  return { status: undefined, errorType: code ?? nameOf(error) ?? OTHER };
}

export function serverOutcome(thrown: unknown): Outcome {
  const errorType =
    thrown instanceof RaisedException ? exceptionType(thrown.class) : (nameOf(thrown) ?? OTHER);
  return { status: STATUS.exception, errorType };
}

function exceptionType(exceptionClass: ExceptionClass): string {
  return `erlang:${exceptionClass}`;
}

/** Names stay the same from error to error, unlike messages. */
function nameOf(error: unknown): string | undefined {
  const name = attempt(() => (error as { readonly name?: unknown } | undefined)?.name);
  return typeof name === 'string' && /^[\w.$:-]{1,100}$/.test(name) ? name : undefined;
}

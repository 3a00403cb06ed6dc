import { standaloneEncoder } from '../codec/standalone-encoder.js';
import type { EncoderSettings } from '../codec/encoder.js';
import { defineError, defineHidden } from '../platform/brands.js';
import {
  type ExceptionClass,
  OptionError,
  RemoteException,
  ResponseError,
} from '../errors/errors.js';
import { attempt, inspectBriefly } from '../platform/inspect.js';
import { printBriefly } from '../codec/notation.js';
import { isError } from '../platform/realms.js';
import {
  detailedReason,
  hasDetails,
  headOf,
  plainReason,
  rebuild,
  thrownErrorOf,
} from './js-error.js';
import { type CalledFunction, makeReadable, printStacktrace, stackToTerms } from './stacktrace.js';
import { Atom, atom, isTuple, type Term, type Tuple, tuple } from '../terms/index.js';

export type Exception = Tuple<readonly [exceptionClass: Atom, reason: Term, stacktrace: Term]>;

export interface ThrowContext extends CalledFunction {
  /** Applies to causes, too. */
  readonly returnStacktraces: boolean;
  readonly settings: EncoderSettings & { readonly maxEncodedResultSize: number };
}

const CLASSES = { error: atom('error'), exit: atom('exit'), throw: atom('throw') } as const;

/** An Erlang exception with any class and term, thrown by {@link raise}. */
export class RaisedException extends Error {
  /** The class of the exception. */
  readonly class: ExceptionClass;
  /** The reason, which the caller gets unchanged. */
  readonly reason: unknown;

  static {
    defineError(this, 'RaisedException');
  }

  /** @internal */
  constructor(exceptionClass: ExceptionClass, reason: unknown) {
    super(`${exceptionClass}: ${attempt(() => printBriefly(reason)) ?? inspectBriefly(reason)}`);
    this.class = exceptionClass;
    this.reason = reason;
  }
}

/**
 * Throws an exception to the caller of an exposed function, as Erlang's `error(Reason)`, `exit(Reason)` and
 * `throw(Reason)` do.
 *
 * @param reason any term
 * @throws RaisedException always; {@link OptionError} if the class is unknown
 * @example
 * ```ts
 * import { atom, raise, tuple } from 'backwater';
 * export function withdraw(amount: number): number {
 *   if (amount > 100) raise('throw', tuple(atom('too_much'), amount));
 *   return amount;
 * }
 * ```
 */
export function raise(exceptionClass: ExceptionClass, reason: unknown): never {
  if (!isExceptionClass(exceptionClass)) {
    throw new OptionError(
      `raise takes the class 'error', 'exit' or 'throw', not ${inspectBriefly(exceptionClass, 100)}`,
      { option: 'class' },
    );
  }
  throw new RaisedException(exceptionClass, reason);
}

/** Never throws, whatever getters do. A value that is not an error may not be encodable. */
export function toException(thrown: unknown, context: ThrowContext): Exception {
  const thrownError = isError(thrown) ? thrown : undefined;
  const stacktrace = context.returnStacktraces ? stackOf(thrownError ?? {}, context) : [];
  if (thrownError === undefined) return tuple(CLASSES.throw, thrown as Term, stacktrace);
  const raised = raisedBy(thrownError);
  if (raised !== undefined) return tuple(raised.class, raised.reason as Term, stacktrace);
  const { settings, returnStacktraces } = context;
  const reason = detailedReason(thrownError, { ...settings, returnCauses: returnStacktraces });
  const exception = tuple(CLASSES.error, reason, stacktrace);
  if (!hasDetails(reason) || fits(exception, settings)) return exception;
  return tuple(CLASSES.error, plainReason(thrownError, DOES_NOT_FIT), stacktrace);
}

const DOES_NOT_FIT =
  'data and cause: the exception would exceed maxEncodedResultSize of the server';

function fits(exception: Exception, settings: ThrowContext['settings']): boolean {
  const place = { root: 'exception', limit: { bytes: settings.maxEncodedResultSize } };
  const encoded = attempt(() => standaloneEncoder.encode(exception, settings, place, toException));
  return encoded !== undefined;
}

export function fallbackException(thrown: unknown): Exception {
  if (!isError(thrown)) return tuple(CLASSES.throw, inspectBriefly(thrown), []);
  const raised = raisedBy(thrown);
  if (raised !== undefined) return tuple(raised.class, inspectBriefly(raised.reason), []);
  return tuple(CLASSES.error, plainReason(thrown), []);
}

export function classOf([{ name }]: Exception): ExceptionClass {
  return name as ExceptionClass;
}

/**
 * @param exception decoded in either mode
 * @param rethrow rebuilds JavaScript errors, and returns thrown terms as they are
 */
export function fromException(exception: unknown, { rethrow }: { rethrow: boolean }): unknown {
  if (!isException(exception)) {
    return new ResponseError('invalid_body', 'neither a return nor an exception');
  }
  const [{ name: exceptionClass }, reason, stacktrace] = exception;
  if (rethrow && exceptionClass === 'throw') return reason;
  makeReadable(stacktrace);
  const remote = exceptionClass === 'error' ? thrownErrorOf(reason) : undefined;
  if (rethrow && remote !== undefined) return withRemoteStack(rebuild(remote), stacktrace);
  const text = remote === undefined ? printBriefly(reason) : headOf(remote);
  return withRemoteStack(
    new RemoteException(exceptionClass as ExceptionClass, reason, stacktrace, { text, remote }),
    stacktrace,
  );
}

function isExceptionClass(value: unknown): value is ExceptionClass {
  return typeof value === 'string' && Object.hasOwn(CLASSES, value);
}

function raisedBy(error: Error): { class: Atom; reason: unknown } | undefined {
  return attempt(() => {
    if (!(error instanceof RaisedException)) return undefined;
    const exceptionClass: unknown = error.class;
    if (!isExceptionClass(exceptionClass)) return undefined;
    return { class: CLASSES[exceptionClass], reason: error.reason };
  });
}

function stackOf(error: { stack?: unknown; message?: unknown }, context: ThrowContext): Term[] {
  const stack = attempt(() => error.stack);
  const message = attempt(() => error.message);
  return stackToTerms(stack, message, context);
}

function isException(value: unknown): value is Exception {
  if (!isTuple(value) || value.length !== 3) return false;
  return value[0] instanceof Atom && isExceptionClass(value[0].name);
}

/** The local stack shows nothing but this library. */
function withRemoteStack<E extends Error>(error: E, stacktrace: Term): E {
  const frames = printStacktrace(stacktrace);
  const head = error.message === '' ? error.name : `${error.name}: ${error.message}`;
  if (frames.length > 0) defineHidden(error, 'stack', [head, ...frames].join('\n'));
  return error;
}

import type { TupleReviver } from '../codec/revivers.js';
import { defineHidden, defineShown } from '../platform/brands.js';
import { isPlainObject } from '../platform/realms.js';
import { textOf } from './text.js';
import { atom, type Encoder, tuple } from '../terms/index.js';

const TAG = '$error';
const ERROR = atom(TAG);

/** Stacks are not sent. */
const FIELDS = ['code', 'data', 'cause', 'errors'] as const;
/** As in Node's own errors, `util.inspect` shows these. */
const SHOWN: ReadonlySet<string> = new Set(['code', 'data']);

/** `{'$error', Name, Message, Fields}`. */
export const errorEncoder: Encoder<Error> = {
  class: Error,
  toTerm(error) {
    const values = error as unknown as Record<string, unknown>;
    const fields: Record<string, unknown> = {};
    for (const field of FIELDS) if (values[field] !== undefined) fields[field] = values[field];
    return tuple(
      ERROR,
      wellFormed(values['name'], 'Error'),
      wellFormed(values['message'], ''),
      fields,
    );
  },
};

export const errorReviver: TupleReviver = {
  tag: TAG,
  length: 4,
  revive(term) {
    const fields: unknown = term[3];
    const [name, message] = [textOf(term[1]), textOf(term[2])];
    if (name === undefined || message === undefined) return term;
    if (typeof fields !== 'object' || fields === null || !isPlainObject(fields)) return term;
    return errorOf(name, message, fields);
  },
};

const CLASSES: ReadonlyMap<string, new (message: string) => Error> = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError].map((one) => [
    one.name,
    one,
  ]),
);

/** An instance of JavaScript's own class of that name, if there is one. */
export function namedError(name: string, message: string): Error {
  const constructor = CLASSES.get(name);
  const error = new (constructor ?? Error)(message);
  if (constructor === undefined) defineHidden(error, 'name', name);
  return error;
}

function errorOf(name: string, message: string, fields: Record<string, unknown>): Error {
  const isAggregate = name === 'AggregateError' && Array.isArray(fields['errors']);
  const error = isAggregate ? new AggregateError([], message) : namedError(name, message);
  for (const field of FIELDS) {
    if (!Object.hasOwn(fields, field)) continue;
    const define = SHOWN.has(field) ? defineShown : defineHidden;
    define(error, field, fields[field]);
  }
  // The local stack would show where the message was decoded.
  defineHidden(error, 'stack', message === '' ? name : `${name}: ${message}`);
  return error;
}

function wellFormed(value: unknown, fallback: string): string {
  return typeof value === 'string' ? value.toWellFormed() : fallback;
}

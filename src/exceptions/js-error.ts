import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { standaloneEncoder } from '../codec/standalone-encoder.js';
import type { EncoderSettings } from '../codec/encoder.js';
import { defineHidden } from '../platform/brands.js';
import { assignDefined } from '../platform/error.js';
import { attempt, inspectBriefly, truncate } from '../platform/inspect.js';
import { ownProperties, readProperty } from '../platform/own-properties.js';
import { isError } from '../platform/realms.js';
import type { ThrownError } from '../errors/errors.js';
import { namedError } from '../hooks/errors.js';
import { Atom, atom, isTuple, type Term, tuple } from '../terms/index.js';

/**
 * JavaScript errors on the wire: `{js_error, #{name, message, code, data, cause, omitted}}`. Keys are atoms,
 * texts binaries, `data` any term and `cause` a map of the same form. Only `name` and `message` are always
 * there.
 */

const JS_ERROR = atom('js_error');
const NAME = atom('name');
const MESSAGE = atom('message');
const CODE = atom('code');
const DATA = atom('data');
const CAUSE = atom('cause');
const OMITTED = atom('omitted');

const MAX_CAUSES = 8;
/** UTF-16 units of each text of a cause. */
const MAX_CAUSE_TEXT = 4096;
/** Bytes of `data` of an error and its causes together. */
const MAX_DATA_SIZE = 64 * 1024;
/** The depth of `data` in `{error, {js_error, #{data => …}}, …}`. */
const DEPTH_OF_DATA = 3;

export interface DetailSettings extends EncoderSettings {
  readonly returnCauses: boolean;
}

/** Can always be encoded, whatever getters do. */
export function plainReason(error: Error, omitted?: string): Term {
  const fields = textsOf(error, Infinity);
  if (omitted !== undefined) fields.set(OMITTED, omitted);
  return tuple(JS_ERROR, fields);
}

/** `omitted` says why `data` or `cause` is missing. */
export function detailedReason(error: Error, settings: DetailSettings): Term {
  return tuple(JS_ERROR, new Details(settings).of(error, 0));
}

export function hasDetails(reason: Term): boolean {
  if (!isTuple(reason, JS_ERROR, 2)) return false;
  const fields = reason[1] as Map<Term, Term>;
  return fields.has(DATA) || fields.has(CAUSE);
}

class Details {
  readonly #settings: DetailSettings;
  #bytesLeft = MAX_DATA_SIZE;
  /** To detect cycles. */
  readonly #errors = new Set<unknown>();

  constructor(settings: DetailSettings) {
    this.#settings = settings;
  }

  of(error: Error, level: number): Map<Term, Term> {
    const fields = textsOf(error, level === 0 ? Infinity : MAX_CAUSE_TEXT);
    const data = read(error, 'data');
    if (data !== undefined) this.#addData(fields, data, level);
    const cause = this.#settings.returnCauses ? read(error, 'cause') : undefined;
    if (cause === undefined) return fields;
    this.#errors.add(error);
    if (this.#errors.has(cause)) fields.set(OMITTED, 'cause: the causes lead back to this error');
    else if (level < MAX_CAUSES) fields.set(CAUSE, this.#ofCause(cause, level + 1));
    else fields.set(OMITTED, `cause: at most ${MAX_CAUSES} causes are sent`);
    return fields;
  }

  #ofCause(cause: unknown, level: number): Map<Term, Term> {
    if (isError(cause)) return this.of(cause, level);
    // Anything can be thrown, and so be a cause.
    const fields = new Map<Term, Term>();
    fields.set(NAME, 'NonError');
    fields.set(MESSAGE, inspectBriefly(cause));
    this.#addData(fields, cause, level);
    return fields;
  }

  #addData(fields: Map<Term, Term>, data: unknown, level: number): void {
    const maxDepth = this.#settings.maxDepth - DEPTH_OF_DATA - level;
    const limit = { bytes: this.#bytesLeft };
    try {
      const settings = { ...this.#settings, maxDepth: Math.max(maxDepth, 0) };
      const place = { root: 'data', limit };
      this.#bytesLeft -= standaloneEncoder.encode(data, settings, place, detailedReason).length;
      fields.set(DATA, data as Term);
    } catch (error) {
      // Getters may have thrown anything.
      const reason = attempt(() => (error as Error).message);
      const text = typeof reason === 'string' ? reason : 'a getter threw';
      fields.set(OMITTED, truncate(text.startsWith('data') ? text : `data: ${text}`, 300));
    }
  }
}

function textsOf(error: Error, maxLength: number): Map<Term, Term> {
  const fields = new Map<Term, Term>();
  fields.set(NAME, textField(error, 'name', maxLength) ?? 'Error');
  fields.set(MESSAGE, textField(error, 'message', maxLength) ?? '');
  const code = textField(error, 'code', maxLength);
  if (code !== undefined) fields.set(CODE, code);
  return fields;
}

function textField(error: Error, field: string, maxLength: number): string | undefined {
  const value = read(error, field);
  if (typeof value === 'string') return truncate(value, maxLength);
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : undefined;
}

/** A program may have added the field to all objects. */
function read(error: Error, field: string): unknown {
  return attempt(() => readProperty(error, field));
}

export function thrownErrorOf(reason: Term): ThrownError | undefined {
  return isTuple(reason, JS_ERROR, 2) ? thrownErrorOfFields(reason[1], 0) : undefined;
}

function thrownErrorOfFields(fields: unknown, level: number): ThrownError | undefined {
  const name = textOf(fieldOf(fields, NAME));
  const message = textOf(fieldOf(fields, MESSAGE));
  if (name === undefined || message === undefined) return undefined;
  const code = textOf(fieldOf(fields, CODE));
  const data = fieldOf(fields, DATA);
  const cause =
    level === MAX_CAUSES ? undefined : thrownErrorOfFields(fieldOf(fields, CAUSE), level + 1);
  const omitted = textOf(fieldOf(fields, OMITTED));
  const thrown = { name, message };
  assignDefined(thrown, { code, data, cause, omitted });
  return Object.freeze(thrown);
}

/** The decoding options decide between an object and a Map. */
function fieldOf(map: unknown, key: Atom): unknown {
  if (types.isMap(map)) return map.get(key);
  if (typeof map !== 'object' || map === null || !Object.hasOwn(map, key.name)) return undefined;
  return (map as Record<string, unknown>)[key.name];
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return types.isUint8Array(value) ? Buffer.from(value).toString('utf8') : undefined;
}

export function rebuild(thrown: ThrownError): Error {
  const { name, message, code, data, cause } = ownProperties(thrown);
  const error = namedError(name, message);
  // Enumerable, as on Node's own errors, so that `util.inspect` shows it.
  if (code !== undefined) Object.assign(error, { code });
  if (data !== undefined) Object.assign(error, { data });
  if (cause !== undefined) {
    const inner = rebuild(cause);
    // The local stack shows nothing but this library.
    defineHidden(inner, 'stack', headOf(cause));
    defineHidden(error, 'cause', inner);
  }
  return error;
}

/** `Name [code]: message` */
export function headOf(thrown: ThrownError): string {
  const { name, message, code } = ownProperties(thrown);
  const title = code === undefined ? name : `${name} [${code}]`;
  return message === '' ? title : `${title}: ${message}`;
}

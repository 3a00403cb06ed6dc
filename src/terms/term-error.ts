import { defineError } from '../platform/brands.js';
import { ownProperties } from '../platform/own-properties.js';
import { assignDefined, BackwaterError } from '../platform/error.js';

/** Fields of a {@link TermError}. */
export interface TermFields extends ErrorOptions {
  /** The path to the value. */
  readonly path?: string | undefined;
  /** The offset in the encoding. */
  readonly offset?: number | undefined;
  /** From 1. */
  readonly line?: number | undefined;
  /** From 1. */
  readonly column?: number | undefined;
}

/** A value cannot be encoded as a term, or bytes or text cannot be decoded. */
export class TermError extends BackwaterError {
  override readonly code: 'ERR_BACKWATER_TERM' | 'ERR_BACKWATER_SIZE' = 'ERR_BACKWATER_TERM';
  /** When encoding: the path to the value, such as `args[0].when`. */
  declare readonly path?: string;
  /** When decoding: the offset of the invalid byte. */
  declare readonly offset?: number;
  /** When reading text: the line of the error, from 1. */
  declare readonly line?: number;
  /** When reading text: the column of the error, from 1. */
  declare readonly column?: number;

  static {
    defineError(this, 'TermError');
  }

  constructor(message: string, fields: TermFields = {}) {
    const { path, offset, line, column, ...options } = ownProperties(fields);
    super(message, options);
    assignDefined(this, { path, offset, line, column });
  }
}

/** Fields of a {@link SizeError}. */
export interface SizeFields extends ErrorOptions {
  /** The option that sets the limit. */
  readonly option: 'maxEncodedArgsSize' | 'maxEncodedResultSize';
  /** In bytes. */
  readonly limit: number;
  /** In bytes, if known. */
  readonly size?: number | undefined;
  /** The path to the value, if known. */
  readonly path?: string | undefined;
}

/** Arguments or a result exceed their size limit and were not sent. */
export class SizeError extends TermError {
  override readonly code = 'ERR_BACKWATER_SIZE';
  /** The option that sets the limit. */
  readonly option: SizeFields['option'];
  /** In bytes. */
  readonly limit: number;
  /** In bytes, if known. */
  declare readonly size?: number;

  static {
    defineError(this, 'SizeError');
  }

  constructor(fields: SizeFields) {
    const { option, limit, size, ...options } = ownProperties(fields);
    const what = option === 'maxEncodedArgsSize' ? 'the arguments are' : 'the result is';
    const actual = size === undefined ? '' : ` (${size} bytes)`;
    super(`${what} too large${actual}: at most ${limit} bytes (option ${option})`, options);
    this.option = option;
    this.limit = limit;
    assignDefined(this, { size });
  }
}

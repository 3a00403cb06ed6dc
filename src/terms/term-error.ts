import { defineError } from '../platform/brands.js';
import { ownProperties } from '../platform/own-properties.js';
import { assignDefined, BackwaterError } from '../platform/error.js';

/** What a {@link TermError} says besides its message. */
export interface TermFields extends ErrorOptions {
  /** The path to the value, such as `args[0].when`. */
  readonly path?: string | undefined;
  /** The offset of the byte, from the begin of the encoding. */
  readonly offset?: number | undefined;
  /** Where in a text, from 1. */
  readonly line?: number | undefined;
  /** Where in the line, from 1. */
  readonly column?: number | undefined;
}

/** A value is no term, or bytes are no encoding of one. */
export class TermError extends BackwaterError {
  override readonly code: 'ERR_BACKWATER_TERM' | 'ERR_BACKWATER_SIZE' = 'ERR_BACKWATER_TERM';
  /** When encoding: the path to the value that is no term, such as `args[0].when`. */
  declare readonly path?: string;
  /** When decoding: the offset of the byte that is wrong. */
  declare readonly offset?: number;
  /** When reading text: the line that is wrong, from 1. */
  declare readonly line?: number;
  /** When reading text: the character of the line, from 1. */
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

/** What a {@link SizeError} is made of. */
export interface SizeFields extends ErrorOptions {
  /** The option that sets the limit. */
  readonly option: 'maxEncodedArgsSize' | 'maxEncodedResultSize';
  /** The bytes allowed. */
  readonly limit: number;
  /** The bytes that there were, where known. */
  readonly size?: number | undefined;
  /** The path to the value at which the limit was passed, where known. */
  readonly path?: string | undefined;
}

/** Arguments or a result are larger than the options allow, and were not sent. */
export class SizeError extends TermError {
  override readonly code = 'ERR_BACKWATER_SIZE';
  /** The option that sets the limit. */
  readonly option: SizeFields['option'];
  /** The bytes allowed. */
  readonly limit: number;
  /** The bytes that there were, where known. */
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

import process from 'node:process';
import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { copyBytes } from '../platform/bytes.js';
import { refuseOption } from './table.js';

/** A secret: bytes, or text, which is encoded as UTF-8. */
export type Secret = string | Uint8Array;

/**
 * Copies a secret, or a list of 1 to 16.
 *
 * @throws {@link OptionError} that never shows a secret
 */
export function parseSecrets(value: unknown, option = 'secret'): Buffer[] {
  if (!Array.isArray(value)) return [parseSecret(value, option)];
  if (value.length === 0) {
    throw refuseOption(option, 'takes a list of at least one secret, not an empty one');
  }
  if (value.length > MAX_SECRETS) {
    throw refuseOption(
      option,
      `takes a list of at most ${MAX_SECRETS} secrets, not ${value.length}, since each is tried for every message`,
    );
  }
  // Unlike `map`, Array.from visits holes.
  return Array.from(value, (secret: unknown, index) => parseSecret(secret, `${option}[${index}]`));
}

/** The addon's `MAX_SECRETS`. */
const MAX_SECRETS = 16;

/** Longer secrets make signatures of SHA-256 no stronger (RFC 2104, 3). */
const ADVISED_LENGTH = 32;
let warned = false;

function warnOfShort(length: number, option: string): void {
  if (warned || length >= ADVISED_LENGTH) return;
  warned = true;
  process.emitWarning(
    `${option} has ${length} bytes: anyone who sees a signed message may guess a secret of fewer than ` +
      `${ADVISED_LENGTH}; use crypto.randomBytes(${ADVISED_LENGTH}).toString('base64')`,
    { type: 'BackwaterWarning', code: 'BACKWATER_SHORT_SECRET' },
  );
}

function parseSecret(value: unknown, option: string): Buffer {
  const takes = 'takes a Uint8Array or a string';
  if (typeof value === 'string') {
    if (!value.isWellFormed()) {
      throw refuseOption(option, `${takes} without lone surrogates`);
    }
  } else if (!types.isUint8Array(value)) {
    throw refuseOption(option, `${takes}, not ${value === null ? 'null' : typeof value}`);
  }
  const bytes = typeof value === 'string' ? encodeText(value) : copyBytes(value);
  if (bytes.length === 0) throw refuseOption(option, `${takes} that is not empty`);
  warnOfShort(bytes.length, option);
  return bytes;
}

/** Outside of Buffer's pool, whose memory unrelated buffers can reach. */
function encodeText(text: string): Buffer {
  const bytes = Buffer.alloc(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

import { BitString } from '../terms/index.js';
import type { Scanner, Token } from './scanner.js';

/** How the value of a segment is written. */
interface Form {
  readonly type: 'integer' | 'float' | 'utf8' | 'utf16' | 'utf32';
  readonly little: boolean;
  /** Bits; undefined where the type decides. */
  readonly size: number | undefined;
}

/** Room for binaries besides what their text is long. */
const FREE_BYTES = 1024 * 1024;
/** Bytes of a binary that a character of text may make. */
const BYTES_FOR_CHARACTER = 8;

/** Reads binaries in Erlang's syntax: segments of literals between `<<` and `>>`. */
export class SegmentReader {
  readonly #scanner: Scanner;
  /** Bytes that may still be made: sizes are written in few digits. */
  #room: number;

  constructor(scanner: Scanner, textLength: number) {
    this.#scanner = scanner;
    this.#room = FREE_BYTES + textLength * BYTES_FOR_CHARACTER;
  }

  /** Reads on after `<<`. */
  read(): Buffer | BitString {
    const scanner = this.#scanner;
    const bits = new Bits((bytes, start) => this.#spend(bytes, start));
    if (scanner.skip('>>')) return bits.finish();
    for (;;) {
      this.#segment(bits);
      if (scanner.skip(',')) continue;
      if (scanner.skip('>>')) return bits.finish();
      throw scanner.unexpected(scanner.peek(), "',' or '>>' after a segment of a binary");
    }
  }

  #spend(bytes: number, start: number): void {
    this.#room -= bytes;
    if (this.#room >= 0) return;
    const free = `${FREE_BYTES} and ${BYTES_FOR_CHARACTER} for each character of the text`;
    throw this.#scanner.error(`the binaries have more bytes than they may: ${free}`, start);
  }

  #segment(bits: Bits): void {
    const scanner = this.#scanner;
    const negative = scanner.skip('-');
    const token = scanner.take();
    const isNumber = token.kind === 'integer' || token.kind === 'float';
    if (!isNumber && (negative || token.kind !== 'string')) {
      throw scanner.unexpected(token, 'a number, a character or a string in a binary');
    }
    const form = this.#form();
    if (token.kind !== 'string') {
      const value = negative ? -token.value : token.value;
      if (token.kind === 'float' && form.type !== 'float') {
        throw scanner.error("a float in a binary has the type: '/float'", token.start);
      }
      this.#write(bits, value, form, token);
    } else if (form.type === 'utf8') {
      bits.append(Buffer.from(token.value), token.start);
    } else {
      for (const character of token.value) {
        this.#write(bits, character.codePointAt(0)!, form, token);
      }
    }
  }

  /** `:Size/Type-Signedness-Endianness-unit:Unit`, each of them optional. */
  #form(): Form {
    const scanner = this.#scanner;
    const size = scanner.skip(':') ? this.#integer('the size of a segment') : undefined;
    let type: Form['type'] = 'integer';
    let little = false;
    let unit = 1;
    if (scanner.skip('/')) {
      do {
        const token = scanner.take();
        const name = token.kind === 'atom' ? token.value : '';
        if (TYPES.includes(name)) type = name as Form['type'];
        else if (name === 'little' || name === 'big') little = name === 'little';
        else if (name === 'unit' && scanner.skip(':'))
          unit = this.#integer('the unit of a segment');
        else if (name !== 'signed' && name !== 'unsigned') {
          throw scanner.unexpected(
            token,
            `${TYPES.join(', ')}, big, little, signed, unsigned or unit:N`,
          );
        }
      } while (scanner.skip('-'));
    }
    if (type.startsWith('utf') && (size !== undefined || unit !== 1)) {
      throw scanner.unexpected(scanner.peek(), `no size of a segment of the type ${type}`);
    }
    return { type, little, size: size === undefined ? undefined : size * unit };
  }

  #integer(what: string): number {
    const token = this.#scanner.take();
    if (token.kind === 'integer' && typeof token.value === 'number') return token.value;
    throw this.#scanner.unexpected(token, `an integer as ${what}`);
  }

  #write(bits: Bits, value: number | bigint, form: Form, token: Token): void {
    switch (form.type) {
      case 'integer':
        return bits.integer(BigInt(value), form.size ?? 8, form.little, token.start);
      case 'float':
        return bits.append(this.#float(Number(value), form, token), token.start);
      default:
        return bits.append(this.#character(value, form, token), token.start);
    }
  }

  #float(value: number, { size = 64, little }: Form, token: Token): Buffer {
    const bytes = Buffer.alloc(size === 32 ? 4 : 8);
    if (size === 32) bytes.writeFloatBE(value);
    else if (size === 64) bytes.writeDoubleBE(value);
    else throw this.#scanner.error('a float in a binary has 32 or 64 bits', token.start);
    if (size === 32 && !Number.isFinite(bytes.readFloatBE())) {
      throw this.#scanner.error('a float is beyond what 32 bits hold', token.start);
    }
    return little ? bytes.reverse() : bytes;
  }

  #character(value: number | bigint, { type, little }: Form, token: Token): Buffer {
    const code = Number(value);
    if (!Number.isInteger(code) || code < 0 || code > 0x10ffff || code >> 11 === 0x1b) {
      throw this.#scanner.error('expected the code point of a character', token.start);
    }
    if (type === 'utf8') return Buffer.from(String.fromCodePoint(code));
    if (type === 'utf16') {
      const bytes = Buffer.from(String.fromCodePoint(code), 'utf16le');
      return little ? bytes : bytes.swap16();
    }
    const bytes = Buffer.alloc(4);
    if (little) bytes.writeUInt32LE(code);
    else bytes.writeUInt32BE(code);
    return bytes;
  }
}

const TYPES: readonly string[] = ['integer', 'float', 'utf8', 'utf16', 'utf32'];

/** Bits in a row. */
class Bits {
  readonly #spend: (bytes: number, start: number) => void;
  #bytes = Buffer.alloc(64);
  /** Whole bytes, and bits of the one after them. */
  #count = 0;
  #bits = 0;

  constructor(spend: (bytes: number, start: number) => void) {
    this.#spend = spend;
  }

  integer(value: bigint, size: number, little: boolean, start: number): void {
    // Before anything of that size is made.
    this.#spend(Math.ceil(size / 8), start);
    if (size === 0) return;
    const whole = Math.floor(size / 8);
    const rest = size % 8;
    const magnitude = BigInt.asUintN(size, value);
    // The bits that are no whole byte are the highest ones; the last to be written in little endian.
    const low =
      whole === 0 ? 0n : BigInt.asUintN(whole * 8, little ? magnitude : magnitude >> BigInt(rest));
    const hex = low.toString(16).padStart(whole * 2, '0');
    const bytes = Buffer.from(whole === 0 ? '' : hex, 'hex');
    this.#append(little ? bytes.reverse() : bytes);
    if (rest > 0) {
      const last = little ? magnitude >> BigInt(whole * 8) : BigInt.asUintN(rest, magnitude);
      this.#appendBits(Number(last), rest);
    }
  }

  append(bytes: Buffer, start: number): void {
    this.#spend(bytes.length, start);
    this.#append(bytes);
  }

  finish(): Buffer | BitString {
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#count + (this.#bits > 0 ? 1 : 0)));
    return this.#bits === 0 ? bytes : new BitString(bytes, this.#bits);
  }

  #append(bytes: Buffer): void {
    if (this.#bits > 0) {
      for (const byte of bytes) this.#appendBits(byte, 8);
      return;
    }
    this.#reserve(bytes.length);
    bytes.copy(this.#bytes, this.#count);
    this.#count += bytes.length;
  }

  /** The low `size` bits of `value`, at most 8. */
  #appendBits(value: number, size: number): void {
    this.#reserve(2);
    const window = (value << (16 - size)) >> this.#bits;
    this.#bytes[this.#count] = this.#bytes[this.#count]! | ((window >> 8) & 0xff);
    this.#bytes[this.#count + 1] = window & 0xff;
    this.#bits += size;
    if (this.#bits >= 8) {
      this.#bits -= 8;
      this.#count++;
    }
  }

  #reserve(count: number): void {
    const needed = this.#count + count + 2;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.alloc(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger);
    this.#bytes = larger;
  }
}

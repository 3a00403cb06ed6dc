import { Buffer } from 'node:buffer';
import { LoneSurrogateError, type SizeLimit, TooLargeError } from './serialize-error.js';
import { SharedBuffers } from './shared-buffers.js';
import * as tape from './tape.js';

// V8 folds a module's own constants, but not imported ones.
const {
  CONST,
  EMPTY_TEXT,
  EXT,
  FRAME_WORDS,
  INLINE,
  MAX_REST,
  TEXT,
  TEXT_ASCII,
  TEXT_FORM,
  TEXT_UTF16,
  TEXT_UTF8,
  WIDE_TEXT,
} = tape;

const ROOM = 16;
/** Shorter ASCII goes into the words, which is faster. */
const MAX_INLINE = 16;
/** Small enough for the caches. */
const CHUNK = 4096;
const LARGE_TEXT = 64 * 1024;

/** Calling it directly is faster than a lookup once V8 has met a few representations of strings. */
const charCodeAt = String.prototype.charCodeAt;

/** Members are `private`, because brand checks of `#private` take 5 % of the time of encoding. */
export class TextWriter extends SharedBuffers {
  protected limit = 0;
  protected frame = 0;
  protected textStart = 0;
  protected checksEachText = false;
  private sizeLimit: SizeLimit = { bytes: 0, option: 'maxSize' };
  /** A lower bound in bytes. */
  private size = 0;
  /** The gathered text, and the place of its control words or 0. */
  protected text = '';
  protected textLength = 0;
  protected chunkAt = 0;
  /** Text that is probably not ASCII. */
  protected wideText = '';
  protected wideLength = 0;
  protected wideChunkAt = 0;

  protected begin(limit: SizeLimit): void {
    this.sizeLimit = limit;
    this.size = 0;
    this.text = this.wideText = '';
    this.textLength = this.wideLength = this.chunkAt = this.wideChunkAt = 0;
    this.frame = this.word;
    this.textStart = this.byte;
    this.skip(FRAME_WORDS);
    this.limit = this.words.length - ROOM;
  }

  protected release(): void {
    this.text = this.wideText = '';
  }

  skip(count: number): void {
    if (this.word + count > this.words.length - ROOM) this.growWords(count + ROOM);
    this.word += count;
  }

  putText(text: string): number {
    this.reserveBytes(text.length * 3);
    const length = this.bytes.utf8Write(text, this.byte);
    this.byte += length;
    return length;
  }

  protected grow(count: number): void {
    const words = this.word + count - this.frame;
    // Each word stands for at least one byte, except at the start of chunks and of the tape.
    this.checkSize((words - 1024) / 1.01);
    this.growWords(count + ROOM);
    this.limit = this.words.length - ROOM;
  }

  addSize(bytes: number): void {
    this.size += bytes;
    this.checkSize(this.size);
  }

  checkSize(bytes: number): void {
    if (!this.hasRoomFor(bytes)) throw new TooLargeError(this.sizeLimit, bytes);
  }

  protected hasRoomFor(bytes: number): boolean {
    return bytes <= this.sizeLimit.bytes;
  }

  put(word: number): void {
    if (this.word > this.limit) this.grow(1);
    this.words[this.word++] = word;
  }

  writeString(given: string): void {
    if (this.word > this.limit) this.grow(1);
    const value = '' + given;
    const length = value.length;
    if (length === 0) {
      this.words[this.word++] = (EMPTY_TEXT << 4) | CONST;
    } else if (length <= MAX_INLINE) {
      if (!this.writeInline(value, length)) this.gatherWide(value, length);
    } else {
      // Before V8 flattens the string; also ensures that the length fits the word.
      this.checkSize(length);
      // A wrong guess only costs time.
      const sample =
        charCodeAt.call(value, 0) |
        charCodeAt.call(value, length >> 1) |
        charCodeAt.call(value, length - 1);
      if (sample > 0x7f && length <= MAX_REST) this.gatherWide(value, length);
      else this.gather(value, length);
    }
  }

  /** Writes four characters per word. Returns false if they are not ASCII. */
  private writeInline(value: string, length: number): boolean {
    const { words } = this;
    const head = this.word;
    const whole = length & ~3;
    let next = head + 1;
    let index = 0;
    let all = 0;
    for (; index < whole; index += 4) {
      const first = charCodeAt.call(value, index);
      const second = charCodeAt.call(value, index + 1);
      const third = charCodeAt.call(value, index + 2);
      const fourth = charCodeAt.call(value, index + 3);
      all |= first | second | third | fourth;
      words[next++] = first | (second << 8) | (third << 16) | (fourth << 24);
    }
    if (index < length) {
      let packed = 0;
      for (let shift = 0; index < length; index++, shift += 8) {
        const code = charCodeAt.call(value, index);
        all |= code;
        packed |= code << shift;
      }
      words[next++] = packed;
    }
    if (all > 0x7f) return false;
    words[head] = (((length << 4) | INLINE) << 4) | EXT;
    this.word = next;
    return true;
  }

  /** Chunks are checked as a whole, which misses only a pair split between two texts. */
  private isMalformed(value: string): boolean {
    if (this.checksEachText) return !value.isWellFormed();
    return (charCodeAt.call(value, 0) & 0xfc00) === 0xdc00;
  }

  private gather(value: string, length: number): void {
    if (this.isMalformed(value)) throw new LoneSurrogateError();
    this.textLength += length;
    if (this.textLength > CHUNK) this.addSize(this.textLength);
    if (this.chunkAt === 0) {
      this.chunkAt = this.word;
      this.word += 2;
    }
    this.words[this.word++] = (length << 4) | TEXT;
    this.text += value;
    if (this.textLength > CHUNK) this.closeChunk();
  }

  private gatherWide(value: string, length: number): void {
    if (this.isMalformed(value)) throw new LoneSurrogateError();
    this.wideLength += length;
    if (this.wideLength > CHUNK) this.addSize(this.wideLength);
    if (this.wideChunkAt === 0) {
      this.wideChunkAt = this.word;
      this.word += 2;
    }
    this.words[this.word++] = (((length << 4) | WIDE_TEXT) << 4) | EXT;
    this.wideText += value;
    if (this.wideLength > CHUNK) this.closeWideChunk();
  }

  protected closeChunks(): void {
    if (this.chunkAt !== 0) this.closeChunk();
    if (this.wideChunkAt !== 0) this.closeWideChunk();
  }

  private closeChunk(): void {
    const length = this.textLength;
    this.reserveBytes(length < LARGE_TEXT ? length * 3 : Buffer.byteLength(this.text));
    const written = this.bytes.utf8Write(this.text, this.byte);
    if (written !== length && !this.text.isWellFormed()) throw new LoneSurrogateError();
    this.putChunk(this.chunkAt, written === length ? TEXT_ASCII : TEXT_UTF8, written);
    this.chunkAt = this.textLength = 0;
    this.text = '';
  }

  /** Rust converts UTF-16 to UTF-8 three times as fast as V8. */
  private closeWideChunk(): void {
    if (!this.wideText.isWellFormed()) throw new LoneSurrogateError();
    this.reserveBytes(this.wideLength * 2);
    const written = this.bytes.ucs2Write(this.wideText, this.byte);
    this.putChunk(this.wideChunkAt, TEXT_UTF16, written);
    this.wideChunkAt = this.wideLength = 0;
    this.wideText = '';
  }

  private putChunk(place: number, form: number, length: number): void {
    this.words[place] = (((form << 4) | TEXT_FORM) << 4) | EXT;
    this.words[place + 1] = this.byte - this.textStart;
    this.byte += length;
  }
}

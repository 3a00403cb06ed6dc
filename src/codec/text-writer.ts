import { Buffer } from 'node:buffer';
import { LoneSurrogateError, type SizeLimit, TooLargeError } from './serialize-error.js';
import { SharedBuffers } from './shared-buffers.js';
import * as tape from './tape.js';

// V8 folds the constants of a module, but not those that it imports.
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

/** Free words that every single write may rely on. */
const ROOM = 16;
/** ASCII up to this length goes into the words: handing such a string over takes longer. */
const MAX_INLINE = 16;
/** Text is handed over in chunks of about this length, which stay in the caches until then. */
const CHUNK = 4096;
/** From this length on it pays to find out how many bytes text has before making room for them. */
const LARGE_TEXT = 64 * 1024;

/**
 * V8 remembers only a few of the forms of strings (flat, concatenated, cut out, internal …) that a place in
 * the code has met; from then on it looks `value.length` and `value.charCodeAt` up each time. It needs to
 * remember nothing about the result of `'' + value`, nor about a function that it knows.
 */
const charCodeAt = String.prototype.charCodeAt;

/**
 * Writes words and text of a tape, and keeps count of how large its encoding becomes.
 *
 * Members that are private are TypeScript's: V8 looks for a brand before it calls a `#method`, which takes some
 * 5 % of the time of encoding.
 */
export class TextWriter extends SharedBuffers {
  /** Up to here a word may be written without making room. */
  protected limit = 0;
  /** Where the tape begins, in each of the buffers. */
  protected frame = 0;
  protected textStart = 0;
  /** Whether each text is checked alone, which tells where an error is. */
  protected checksEachText = false;
  private sizeLimit: SizeLimit = { bytes: 0, option: 'maxSize' };
  /** How many bytes the encoding has at least. */
  private size = 0;
  /** The text that is being gathered, and the place of its control words; 0 = there is none. */
  private text = '';
  private textLength = 0;
  private chunkAt = 0;
  /** The same for text that seems to be beyond ASCII. */
  private wideText = '';
  private wideLength = 0;
  private wideChunkAt = 0;

  /** Begins a tape after the last one that was completed, whatever has become of later ones. */
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

  /** Lets go of what is being written. */
  protected release(): void {
    this.text = this.wideText = '';
  }

  /** Leaves out some words, to be written later. */
  skip(count: number): void {
    if (this.word + count > this.words.length - ROOM) this.growWords(count + ROOM);
    this.word += count;
  }

  /** Writes text that is no part of a tape, and returns how many bytes it has. */
  putText(text: string): number {
    this.reserveBytes(text.length * 3);
    const length = this.bytes.utf8Write(text, this.byte);
    this.byte += length;
    return length;
  }

  /** Makes room for `count` more words. */
  protected grow(count: number): void {
    const words = this.word + count - this.frame;
    // Each word stands for a byte at least, apart from those at the beginning of a chunk and of the tape.
    this.checkSize((words - 1024) / 1.01);
    this.growWords(count + ROOM);
    this.limit = this.words.length - ROOM;
  }

  /** Adds to the bytes that the encoding has at least. */
  addSize(bytes: number): void {
    this.size += bytes;
    this.checkSize(this.size);
  }

  /** Refuses an encoding that has so many bytes. */
  checkSize(bytes: number): void {
    if (!this.hasRoomFor(bytes)) throw new TooLargeError(this.sizeLimit, bytes);
  }

  /** Whether the encoding may have so many bytes. */
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
      // Before V8 has to flatten it. The limit also keeps the length within a word.
      this.checkSize(length);
      // A wrong guess costs time, nothing else.
      const sample =
        charCodeAt.call(value, 0) |
        charCodeAt.call(value, length >> 1) |
        charCodeAt.call(value, length - 1);
      if (sample > 0x7f && length <= MAX_REST) this.gatherWide(value, length);
      else this.gather(value, length);
    }
  }

  /** Writes ASCII into the words, four characters each; false when it is not ASCII. */
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

  /**
   * Whether text cannot be UTF-8, as far as is looked at. As a rule chunks are checked as a whole, which
   * misses only the two halves of a pair at the end of one text and the beginning of the next.
   */
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

  /** Hands over the text that is left. */
  protected closeChunks(): void {
    if (this.chunkAt !== 0) this.closeChunk();
    if (this.wideChunkAt !== 0) this.closeWideChunk();
  }

  /** Hands gathered text over as UTF-8, which is ASCII as a rule. */
  private closeChunk(): void {
    const length = this.textLength;
    this.reserveBytes(length < LARGE_TEXT ? length * 3 : Buffer.byteLength(this.text));
    const written = this.bytes.utf8Write(this.text, this.byte);
    if (written !== length && !this.text.isWellFormed()) throw new LoneSurrogateError();
    this.putChunk(this.chunkAt, written === length ? TEXT_ASCII : TEXT_UTF8, written);
    this.chunkAt = this.textLength = 0;
    this.text = '';
  }

  /**
   * Hands gathered text over as UTF-16, which is how V8 holds text beyond Latin-1. V8 turns that into UTF-8
   * at a third of the speed at which Rust does.
   */
  private closeWideChunk(): void {
    if (!this.wideText.isWellFormed()) throw new LoneSurrogateError();
    this.reserveBytes(this.wideLength * 2);
    const written = this.bytes.ucs2Write(this.wideText, this.byte);
    this.putChunk(this.wideChunkAt, TEXT_UTF16, written);
    this.wideChunkAt = this.wideLength = 0;
    this.wideText = '';
  }

  /** Writes the control words at `place`: text of this form comes from these bytes from there on. */
  private putChunk(place: number, form: number, length: number): void {
    this.words[place] = (((form << 4) | TEXT_FORM) << 4) | EXT;
    this.words[place + 1] = this.byte - this.textStart;
    this.byte += length;
  }
}

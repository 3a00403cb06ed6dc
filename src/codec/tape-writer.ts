import { Buffer } from 'node:buffer';
import { Atom, MAX_ATOM_LENGTH } from '../terms/atom.js';
import { byteLength, isShared } from '../platform/bytes.js';
import type { KeyPath } from './key-paths.js';
import { SerializeError, type SizeLimit } from './serialize-error.js';
import * as tape from './tape.js';
import { Frame } from './tape.js';
import { TextWriter } from './text-writer.js';

const {
  ATOM,
  BIG,
  BYTES,
  EXT,
  FLOAT,
  FRAME_WORDS,
  INT,
  MAX_BIG,
  OUT_OF_BAND,
  SHAPE_ATOMS,
  SHAPE_TEXT,
  WIDE,
} = tape;

const { indexIn, setIndexIn } = Atom;

const MIN_INT = -(2 ** 27);
const MAX_INT = 2 ** 27 - 1;
/** Larger binaries bypass the tape, which saves a copy. */
const MIN_OUT_OF_BAND = 64 * 1024;

export const CHANGED = 'contains a Buffer whose length changed while it was encoded';

/** See crates/etf/src/tape.rs. */
export class TapeWriter extends TextWriter {
  /** Atoms and shapes remember the last tape that contained them. */
  private static latest = 0;

  /** Undefined if all binaries go into the tape. */
  outOfBand: Uint8Array[] | undefined = undefined;
  protected separable = false;
  protected keysAreAtoms = false;
  protected marksBytes = false;
  private number = 0;
  protected firstFloat = 0;
  protected names = '';
  private readonly atoms: number[] = [];
  protected atomCount = 0;
  private readonly keyAtoms = new Map<string, number>();
  private readonly shapes: KeyPath[] = [];
  protected shapeCount = 0;
  protected readonly sources: Uint8Array[] = [];
  protected sourceLength = 0;

  protected override begin(limit: SizeLimit): void {
    super.begin(limit);
    this.number = ++TapeWriter.latest;
    this.firstFloat = this.float;
    this.names = '';
    this.atomCount = this.shapeCount = this.sourceLength = 0;
    if (this.keyAtoms.size > 0) this.keyAtoms.clear();
    // Setting a length is a call into V8's runtime.
    if (this.sources.length > 0) this.sources.length = 0;
    this.separable = this.outOfBand !== undefined;
    this.forgetOutOfBand();
  }

  protected forgetOutOfBand(): void {
    if (this.outOfBand !== undefined && this.outOfBand.length > 0) this.outOfBand.length = 0;
  }

  protected override release(): void {
    super.release();
    this.names = '';
    if (this.sources.length > 0) this.sources.length = 0;
  }

  protected finish(): void {
    const { frame } = this;
    const termWords = this.word - frame - FRAME_WORDS;
    this.closeChunks();
    const tables = this.atomCount + this.shapeCount * 2;
    if (this.word + tables > this.limit) this.grow(tables);
    const namesStart = this.byte;
    this.putAtoms();
    this.putShapes();
    const sourceStart = this.byte;
    if (this.sources.length > 0) this.putSources();
    const { words } = this;
    words[frame + Frame.words] = termWords;
    words[frame + Frame.atoms] = this.atomCount;
    words[frame + Frame.shapes] = this.shapeCount;
    words[frame + Frame.floats] = this.firstFloat;
    words[frame + Frame.floatCount] = this.float - this.firstFloat;
    words[frame + Frame.text] = this.textStart;
    words[frame + Frame.textLength] = namesStart - this.textStart;
    words[frame + Frame.names] = namesStart;
    words[frame + Frame.namesLength] = sourceStart - namesStart;
    words[frame + Frame.source] = sourceStart;
    words[frame + Frame.sourceLength] = this.sourceLength;
    words[frame + Frame.outOfBand] = this.outOfBand === undefined ? 0 : this.outOfBand.length;
    words[frame + Frame.markBytes] = this.marksBytes ? 1 : 0;
  }

  get outOfBandBytes(): number {
    let sum = 0;
    for (const bytes of this.outOfBand ?? []) sum += byteLength(bytes);
    return sum;
  }

  private putAtoms(): void {
    if (this.atomCount === 0) return;
    for (let index = 0; index < this.atomCount; index++) {
      this.words[this.word++] = this.atoms[index]!;
    }
    this.putText(this.names);
  }

  private putShapes(): void {
    const kind = this.keysAreAtoms ? SHAPE_ATOMS : SHAPE_TEXT;
    for (let index = 0; index < this.shapeCount; index++) {
      const { count, joined } = this.shapes[index]!;
      this.words[this.word++] = (count << 1) | kind;
      this.words[this.word++] = joined.length;
      this.reserveBytes(joined.length);
      this.bytes.set(joined, this.byte);
      this.byte += joined.length;
    }
  }

  private putSources(): void {
    this.reserveBytes(this.sourceLength);
    const end = this.byte + this.sourceLength;
    for (const bytes of this.sources) {
      const length = byteLength(bytes);
      if (length > end - this.byte) break;
      // Copying from a detached array throws.
      if (length > 0) this.bytes.set(bytes, this.byte);
      this.byte += length;
    }
    if (this.byte !== end) throw new SerializeError(CHANGED);
  }

  putExt(kind: number, rest: number): void {
    this.put((((rest << 4) | kind) << 4) | EXT);
  }

  writeNumber(value: number): void {
    if (this.word > this.limit) this.grow(1);
    if ((value | 0) === value && value >= MIN_INT && value <= MAX_INT && !Object.is(value, -0)) {
      this.words[this.word++] = (value << 4) | INT;
      return;
    }
    const wide = Number.isSafeInteger(value) && value !== 0;
    if (!wide && !Number.isFinite(value))
      throw new SerializeError(`is ${value}, which cannot be encoded as a term`);
    this.words[this.word++] = wide ? WIDE : FLOAT;
    this.putFloat(value);
  }

  writeDouble(value: number): void {
    if (!Number.isFinite(value))
      throw new SerializeError(`is a float of ${value}, which cannot be encoded as a term`);
    this.put(FLOAT);
    this.putFloat(value);
  }

  private putFloat(value: number): void {
    if (this.float === this.floats.length) this.reserveFloats(1);
    this.floats[this.float++] = value;
  }

  protected reserveFloats(count: number): void {
    const end = this.float + count;
    if (end <= this.floats.length) return;
    // A 32-bit integer takes five bytes.
    this.checkSize((end - this.firstFloat) * 5);
    this.growFloats(count);
  }

  protected writeBigInt(value: bigint): void {
    if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.writeNumber(Number(value));
      return;
    }
    const negative = value < 0n;
    const magnitude = negative ? -value : value;
    if (magnitude >> BigInt(MAX_BIG * 8) !== 0n) {
      throw new SerializeError(`is an integer of more than ${MAX_BIG} bytes`);
    }
    const digits = magnitude.toString(16);
    const length = (digits.length + 1) >> 1;
    this.addSize(length);
    const bytes = Buffer.from(digits.padStart(length * 2, '0'), 'hex').reverse();
    this.put((((length << 1) | (negative ? 1 : 0)) << 4) | BIG);
    this.put(this.addSource(bytes, length));
  }

  protected writeBinary(value: Uint8Array): void {
    const length = byteLength(value);
    this.addSize(length);
    this.put((length << 4) | BYTES);
    this.put(
      this.isSeparate(value, length) ? this.addOutOfBand(value) : this.addSource(value, length),
    );
  }

  private isSeparate(value: Uint8Array, length: number): boolean {
    if (!this.separable || length < MIN_OUT_OF_BAND) return false;
    // Other threads may write to shared memory.
    return !isShared(value);
  }

  private addOutOfBand(value: Uint8Array): number {
    return OUT_OF_BAND + this.outOfBand!.push(value) - 1;
  }

  addSource(bytes: Uint8Array, length: number): number {
    const place = this.sourceLength;
    this.sources.push(bytes);
    this.sourceLength += length;
    return place;
  }

  writeAtom(atom: Atom): void {
    if (this.word > this.limit) this.grow(1);
    this.words[this.word++] = (this.atomIndex(atom) << 4) | ATOM;
  }

  atomIndex(atom: Atom): number {
    let index = indexIn(atom, this.number);
    if (index < 0) {
      index = this.addAtom(atom.name);
      setIndexIn(atom, this.number, index);
    }
    return index;
  }

  private addAtom(name: string): number {
    this.addSize(name.length + 2);
    this.names += name;
    this.atoms[this.atomCount] = name.length;
    return this.atomCount++;
  }

  protected writeKey(key: string): void {
    if (this.keysAreAtoms) this.writeKeyAtom(key);
    else this.writeString(key);
  }

  private writeKeyAtom(name: string): void {
    let index = this.keyAtoms.get(name);
    if (index === undefined) {
      if (name.length > MAX_ATOM_LENGTH && Array.from(name).length > MAX_ATOM_LENGTH) {
        const limit = `more than ${MAX_ATOM_LENGTH} characters`;
        throw new SerializeError(`has a key of ${limit}, too long for an atom`);
      }
      if (!name.isWellFormed()) throw new SerializeError('has a key with a lone surrogate');
      index = this.addAtom(name);
      this.keyAtoms.set(name, index);
    }
    this.put((index << 4) | ATOM);
  }

  protected shapeIndex(path: KeyPath): number {
    if (path.tape !== this.number) {
      path.tape = this.number;
      path.index = this.shapeCount;
      this.shapes[this.shapeCount++] = path;
    }
    return path.index;
  }
}

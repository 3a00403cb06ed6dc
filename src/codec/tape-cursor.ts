import { Buffer } from 'node:buffer';
import { type Atom, foreignAtom } from '../terms/atom.js';
import { FRAME_WORDS, Frame, SHAPE_LENGTH, SHAPE_LENGTH_BITS } from './tape.js';
import { arrayOf } from './arrays.js';
import type { NativeDecoder } from './native-decoder.js';
import type { Revivers } from './revivers.js';
import { type ReadShape, shapeOf, shapeOfNumber } from './shapes.js';
import type { TapeBuffers } from './tape-buffers.js';

const NO_ATOMS: readonly Atom[] = [];
const NO_SHAPES: readonly ReadShape[] = [];
const NO_BYTES: Uint8Array = new Uint8Array(0);
const NO_WORDS: Uint32Array = new Uint32Array(0);
const NO_FLOATS: Float64Array = new Float64Array(0);
const NO_TEXT: Buffer = Buffer.alloc(0);

/** Fields are public for generated code. */
export abstract class TapeCursor {
  words = NO_WORDS;
  word = 0;
  floats = NO_FLOATS;
  float = 0;
  text8 = '';
  at8 = 0;
  text16 = '';
  at16 = 0;
  /** Always true in the terms of a closure. */
  exact = false;
  /** What offsets refer to, and where they count from. */
  source = NO_BYTES;
  sourceStart = 0;
  atoms = NO_ATOMS;
  shapes = NO_SHAPES;
  revivers: Revivers | undefined = undefined;
  #bytes = NO_TEXT;
  #next8 = 0;
  #next16 = 0;
  #parts: NativeDecoder | undefined = undefined;
  #entry = 0;
  #entriesBefore = 0;

  abstract read(): unknown;

  /** @param parts where parts come from, if `buffers` only has the header */
  protected begin(buffers: TapeBuffers, frame: number, parts: NativeDecoder | undefined): void {
    const { words } = buffers;
    this.words = words;
    this.floats = buffers.floats;
    this.#bytes = buffers.bytes;
    this.#parts = parts;
    this.float = words[frame + Frame.floats]!;
    this.#next8 = words[frame + Frame.text]!;
    this.#next16 = words[frame + Frame.utf16]!;
    this.sourceStart = words[frame + Frame.source]!;
    this.at8 = this.at16 = 0;
    this.word = frame + FRAME_WORDS;
    const atomCount = words[frame + Frame.atoms]!;
    const shapeCount = words[frame + Frame.shapes]!;
    if (atomCount + shapeCount > 0) this.#readNames(frame, atomCount, shapeCount);
    if (parts !== undefined) this.nextPart();
  }

  end(): void {
    this.text8 = this.text16 = '';
    this.atoms = NO_ATOMS;
    this.shapes = NO_SHAPES;
    this.source = NO_BYTES;
    this.revivers = undefined;
    if (this.#parts !== undefined) {
      this.#parts.functions.close();
      this.#parts = undefined;
    }
  }

  nextPart(): void {
    this.#parts!.functions.nextPart();
    this.word = this.float = 0;
  }

  nextText8(): void {
    const length = this.words[this.word++]!;
    const start = this.#next8;
    this.#next8 = start + length;
    this.at8 = 0;
    this.text8 =
      this.#parts === undefined
        ? this.#bytes.latin1Slice(start, this.#next8)
        : this.#parts.text8(start, length);
  }

  nextText16(): void {
    const length = this.words[this.word++]! * 2;
    const start = this.#next16;
    this.#next16 = start + length;
    this.at16 = 0;
    this.text16 =
      this.#parts === undefined
        ? this.#bytes.ucs2Slice(start, this.#next16)
        : this.#parts.text16(start, length);
  }

  #readNames(frame: number, atomCount: number, shapeCount: number): void {
    const { words } = this;
    this.#entry = this.word + words[frame + Frame.words]!;
    this.#entriesBefore = 0;
    if (this.#parts !== undefined) this.#parts.readTable((this.#entry = 0));
    const namesStart = words[frame + Frame.names]!;
    const namesEnd = namesStart + words[frame + Frame.namesLength]!;
    // Shapes with known numbers do not need the names.
    let names: string | undefined;
    const readAll = (): string =>
      this.#parts === undefined
        ? this.#bytes.utf8Slice(namesStart, namesEnd)
        : this.#parts.functions.names();
    let start = 0;
    if (atomCount > 0) {
      names = readAll();
      const atoms = arrayOf(atomCount) as Atom[];
      for (let index = 0; index < atomCount; index++) {
        const end = start + this.#nextEntry();
        atoms[index] = foreignAtom(names.substring(start, end));
        start = end;
      }
      this.atoms = atoms;
    }
    if (shapeCount > 0) {
      const shapes = arrayOf(shapeCount) as ReadShape[];
      for (let index = 0; index < shapeCount; index++) {
        const kind = this.#nextEntry() & 1;
        const second = this.#nextEntry();
        const number = second >>> SHAPE_LENGTH_BITS;
        const end = start + (second & SHAPE_LENGTH);
        let shape = shapeOfNumber(number);
        if (shape === undefined) {
          names ??= readAll();
          shape = shapeOf(names.substring(start, end), kind, number);
        }
        shapes[index] = this.revivers === undefined ? shape : this.revivers.shape(shape);
        start = end;
      }
      this.shapes = shapes;
    }
  }

  #nextEntry(): number {
    if (this.#parts !== undefined && this.#entry === this.words.length) {
      this.#entriesBefore += this.#entry;
      this.#parts.readTable(this.#entriesBefore);
      this.#entry = 0;
    }
    return this.words[this.#entry++]!;
  }
}

import { byteLength } from '../platform/bytes.js';
import { ObjectWriter } from './object-writer.js';
import { SerializeError } from './serialize-error.js';
import { CONST, EMPTY_LIST, FRAME_WORDS, LIST } from './tape.js';
import { CHANGED } from './tape-writer.js';

/** Drops what a failed item wrote, so the tape is always valid. */
export abstract class ListWriter extends ObjectWriter {
  itemCount = 0;
  private readonly end = new Mark();

  protected beginItems(): void {
    this.itemCount = 0;
    this.put(0);
    this.setMark();
  }

  protected writeItem(value: unknown): void {
    this.write(value, 1);
    this.copySources();
    this.itemCount++;
    this.setMark();
  }

  protected endItems(): void {
    this.goToMark();
    const count = this.itemCount;
    this.words[this.frame + FRAME_WORDS] =
      count === 0 ? (EMPTY_LIST << 4) | CONST : (count << 4) | LIST;
    this.finish();
  }

  /** Includes binaries. */
  get listBytes(): number {
    const words = (this.word - this.frame) * 4 + (this.float - this.firstFloat) * 8;
    return words + this.byte - this.textStart + this.sourceLength + this.outOfBandBytes;
  }

  /** Programs may reuse the memory of a binary after handing it over. */
  private copySources(): void {
    const { sources, end } = this;
    let left = this.sourceLength - end.sourceLength;
    for (let index = end.sources; index < sources.length; index++) {
      const bytes = sources[index]!;
      const length = byteLength(bytes);
      left -= length;
      // Copying from a detached array throws.
      if (length > 0) sources[index] = new Uint8Array(bytes);
    }
    if (left !== 0) throw new SerializeError(CHANGED);
  }

  private setMark(): void {
    const { end } = this;
    end.word = this.word;
    end.float = this.float;
    end.byte = this.byte;
    end.text = this.text;
    end.textLength = this.textLength;
    end.chunkAt = this.chunkAt;
    end.wideText = this.wideText;
    end.wideLength = this.wideLength;
    end.wideChunkAt = this.wideChunkAt;
    end.names = this.names;
    end.atoms = this.atomCount;
    end.shapes = this.shapeCount;
    end.sources = this.sources.length;
    end.sourceLength = this.sourceLength;
    end.outOfBand = this.outOfBand?.length ?? 0;
  }

  private goToMark(): void {
    const { end, sources, outOfBand } = this;
    this.seek(end.word, end.float, end.byte);
    this.text = end.text;
    this.textLength = end.textLength;
    this.chunkAt = end.chunkAt;
    this.wideText = end.wideText;
    this.wideLength = end.wideLength;
    this.wideChunkAt = end.wideChunkAt;
    this.names = end.names;
    this.atomCount = end.atoms;
    this.shapeCount = end.shapes;
    this.sourceLength = end.sourceLength;
    if (sources.length > end.sources) sources.length = end.sources;
    if (outOfBand !== undefined && outOfBand.length > end.outOfBand)
      outOfBand.length = end.outOfBand;
    end.text = end.wideText = end.names = '';
  }
}

class Mark {
  word = 0;
  float = 0;
  byte = 0;
  text = '';
  textLength = 0;
  chunkAt = 0;
  wideText = '';
  wideLength = 0;
  wideChunkAt = 0;
  names = '';
  atoms = 0;
  shapes = 0;
  sources = 0;
  sourceLength = 0;
  outOfBand = 0;
}

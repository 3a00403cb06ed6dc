import * as tape from './tape.js';
import { markTuple, type Tuple } from '../terms/tuple.js';
import { arrayOf, doublesOf, integersOf } from './arrays.js';
import type { TapeCursor } from './tape-cursor.js';

/** Separate loops for numbers let V8 choose the array's representation. */
export function readItems(at: TapeCursor, count: number): unknown[] {
  const tag = at.words[at.word]! & 15;
  if (tag === tape.FLOAT && !at.exact) return readDoubles(at, count);
  if (tag === tape.INT) return readIntegers(at, count);
  switch (count) {
    case 1:
      return [at.read()];
    case 2:
      return [at.read(), at.read()];
    case 3:
      return [at.read(), at.read(), at.read()];
    case 4:
      return [at.read(), at.read(), at.read(), at.read()];
    default:
      return readMore(at, arrayOf(count), 0, count);
  }
}

export function readTuple(at: TapeCursor, count: number): unknown {
  // Inline, because deep terms need every stack frame.
  const elements =
    count === 2
      ? [readFrequent(at), readFrequent(at)]
      : count === 3
        ? [readFrequent(at), readFrequent(at), readFrequent(at)]
        : count === 0
          ? []
          : readItems(at, count);
  const tuple = markTuple(elements);
  // Terms of a closure are exact.
  return at.revivers === undefined || at.exact ? tuple : at.revivers.tuple(tuple as Tuple);
}

/** Short enough for V8 to inline. */
function readFrequent(at: TapeCursor): unknown {
  const { word } = at;
  const head = at.words[word]!;
  switch (head & 15) {
    case tape.ATOM:
      at.word = word + 1;
      return at.atoms[head >>> 4];
    case tape.INT:
      at.word = word + 1;
      return (head | 0) >> 4;
    case tape.TEXT8: {
      at.word = word + 1;
      const start = at.at8;
      at.at8 = start + (head >>> 4);
      return at.text8.substring(start, at.at8);
    }
    default:
      return at.read();
  }
}

function readDoubles(at: TapeCursor, count: number): unknown[] {
  const { words, floats, word, float } = at;
  if (count === 2 && words[word + 1] === tape.FLOAT) {
    at.word = word + 2;
    at.float = float + 2;
    return [floats[float]!, floats[float + 1]!];
  }
  const items = doublesOf(count);
  return readMore(at, items, fillDoubles(at, items, 0, count), count);
}

function readIntegers(at: TapeCursor, count: number): unknown[] {
  const items = integersOf(count);
  return readMore(at, items, fillIntegers(at, items, 0, count), count);
}

function fillDoubles(at: TapeCursor, items: unknown[], from: number, count: number): number {
  const { words, floats } = at;
  const word = at.word - from;
  const float = at.float - from;
  let index = from;
  while (index < count && words[word + index] === tape.FLOAT) {
    items[index] = floats[float + index]!;
    index++;
  }
  at.word = word + index;
  at.float = float + index;
  return index;
}

function fillIntegers(at: TapeCursor, items: unknown[], from: number, count: number): number {
  const { words } = at;
  const word = at.word - from;
  let index = from;
  while (index < count) {
    const head = words[word + index]!;
    if ((head & 15) !== tape.INT) break;
    items[index] = (head | 0) >> 4;
    index++;
  }
  at.word = word + index;
  return index;
}

const LIST_OF_TWO = (2 << 4) | tape.LIST;
const PART_END = (tape.NEXT_PART << 4) | tape.EXT;

function readMore(at: TapeCursor, items: unknown[], index: number, count: number): unknown[] {
  const { words, floats, exact } = at;
  for (let next = index; next < count; next++) {
    const { word } = at;
    const head = words[word]!;
    if ((head & 15) === tape.TEXT8) {
      at.word = word + 1;
      const start = at.at8;
      at.at8 = start + (head >>> 4);
      items[next] = at.text8.substring(start, at.at8);
    } else if (head === LIST_OF_TWO && !exact && areDoubles(words, word + 1)) {
      const { float } = at;
      at.word = word + 3;
      at.float = float + 2;
      items[next] = [floats[float]!, floats[float + 1]!];
    } else if ((head & 15) === tape.TUPLE) {
      at.word = word + 1;
      items[next] = readTuple(at, head >>> 4);
    } else if (head === PART_END) {
      at.nextPart();
      if (!exact) next = fillDoubles(at, items, next, count);
      next = fillIntegers(at, items, next, count) - 1;
    } else {
      items[next] = at.read();
    }
  }
  return items;
}

function areDoubles(words: Uint32Array, word: number): boolean {
  return words[word] === tape.FLOAT && words[word + 1] === tape.FLOAT;
}

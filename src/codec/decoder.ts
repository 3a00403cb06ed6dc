import { Buffer } from 'node:buffer';
import { types } from 'node:util';
import { TermError } from '../errors/errors.js';
import { native } from '../platform/native.js';
import type { DecodeSettings } from './options.js';
import * as tape from './tape.js';
import { Fun, ImproperList, NativeRecord, type Term } from '../terms/values.js';
import { unshared } from '../platform/bytes.js';
import { readIdentifier, readLeaf } from './leaves.js';
import { NativeDecoder } from './native-decoder.js';
import { type Revivers, reviversOf } from './revivers.js';
import { readItems, readTuple } from './sequences.js';
import { readMap, readMixed } from './maps.js';
import type { Arrival } from './tape-buffers.js';
import { TapeCursor } from './tape-cursor.js';

/** Revivers that decode need a second decoder. V8 may terminate one without running `finally`. */
let idle: Decoder | undefined;

function take(): Decoder {
  const decoder = idle ?? new Decoder();
  idle = decoder.next;
  return decoder;
}

function putBack(decoder: Decoder): void {
  decoder.end();
  decoder.next = idle?.next === undefined ? idle : undefined;
  idle = decoder;
}

export function decodeBytes(bytes: Uint8Array, settings: DecodeSettings): unknown {
  const decoder = take();
  try {
    return decoder.decode(bytes, settings);
  } catch (error) {
    throw refusal(error);
  } finally {
    putBack(decoder);
  }
}

export function readArrival(arrival: Arrival, exact: boolean, revivers?: Revivers): unknown {
  const decoder = take();
  try {
    return decoder.readArrival(arrival, exact, revivers);
  } catch (error) {
    throw refusal(error);
  } finally {
    putBack(decoder);
  }
}

/** The term exceeds V8's limits for Maps, strings or integers. */
function refusal(error: unknown): unknown {
  if (!types.isNativeError(error) || error.name !== 'RangeError') return error;
  if (error.message === 'Maximum call stack size exceeded') return error;
  return new TermError(`V8 cannot hold the term: ${error.message}`, { cause: error });
}

function inflated(bytes: Uint8Array, settings: DecodeSettings): Uint8Array {
  const { maxInflatedSize, maxInflatedRatio } = settings;
  const input = unshared(bytes);
  try {
    return native.inflateTerm(input, maxInflatedSize, Math.min(maxInflatedRatio, 2048)) ?? input;
  } catch (cause) {
    throw new TermError((cause as Error).message, { cause });
  }
}

class Decoder extends TapeCursor {
  next: Decoder | undefined = undefined;
  readonly #native = new NativeDecoder();

  decode(bytes: Uint8Array, settings: DecodeSettings): unknown {
    const native = this.#native;
    this.source = native.decode(settings.compressed ? inflated(bytes, settings) : bytes, settings);
    this.exact = settings.exact;
    this.revivers = reviversOf(settings.revivers);
    this.begin(native.buffers, 0, native.isWhole ? undefined : native);
    return this.read();
  }

  readArrival(arrival: Arrival, exact: boolean, revivers: Revivers | undefined): unknown {
    const { buffers, frame, large, skip } = arrival;
    this.exact = exact;
    this.revivers = revivers;
    if (large > 0) {
      const native = this.#native;
      const source = native.open(large);
      if (source !== undefined) this.source = source;
      this.begin(native.buffers, 0, native);
    } else {
      this.source = buffers.bytes;
      this.begin(buffers, frame, undefined);
    }
    this.word += skip;
    return this.read();
  }

  read(): unknown {
    const head = this.words[this.word++]!;
    const payload = head >>> 4;
    switch (head & 15) {
      case tape.INT:
        return (head | 0) >> 4;
      case tape.TEXT8: {
        const start = this.at8;
        this.at8 = start + payload;
        return this.text8.substring(start, this.at8);
      }
      case tape.OBJECT:
        return this.shapes[payload]!.read(this);
      case tape.LIST:
        return readItems(this, payload);
      case tape.TUPLE:
        return readTuple(this, payload);
      case tape.MAP:
        return readMap(this, payload & 3, payload >>> 2);
      case tape.EXT:
        return readExtended(this, payload & 15, head >>> 8);
      default:
        return readLeaf(this, head & 15, payload);
    }
  }
}

function readExtended(at: TapeCursor, kind: number, rest: number): unknown {
  switch (kind) {
    case tape.NEXT8:
      at.nextText8();
      return at.read();
    case tape.NEXT16:
      at.nextText16();
      return at.read();
    case tape.NEXT_PART:
      at.nextPart();
      return at.read();
    case tape.IMPROPER:
      return new ImproperList(readItems(at, rest), at.read());
    case tape.MIXED:
      return readMixed(at, rest & 3, rest >>> 2);
    case tape.NATIVE_RECORD:
      return readNativeRecord(at, rest);
    case tape.FUN:
      return readFun(at, rest);
    default:
      return readIdentifier(at, kind, rest);
  }
}

function readNativeRecord(at: TapeCursor, count: number): NativeRecord {
  const { words, atoms } = at;
  const exported = words[at.word++] === 1;
  const module = atoms[words[at.word++]!]!;
  const name = atoms[words[at.word++]!]!;
  const names = Array.from(words.subarray(at.word, at.word + count), (index) => atoms[index]!);
  at.word += count;
  const values = count === 0 ? [] : (readItems(at, count) as Term[]);
  const fields = new Map(names.map((field, index) => [field, values[index]]));
  return new NativeRecord(module, name, fields, exported);
}

function readFun(at: TapeCursor, arity: number): Fun {
  const { words } = at;
  const count = words[at.word++]! + 3;
  const uniq = Buffer.alloc(16);
  for (let index = 0; index < 4; index++) uniq.writeUInt32BE(words[at.word++]!, index * 4);
  const index = words[at.word++]!;
  const module = at.atoms[words[at.word++]!]!;
  const outer = at.exact;
  at.exact = true;
  const terms = readItems(at, count);
  at.exact = outer;
  const [oldIndex, oldUniq, pid] = terms;
  return new Fun({ module, arity, uniq, index, oldIndex, oldUniq, pid, free: terms.slice(3) });
}

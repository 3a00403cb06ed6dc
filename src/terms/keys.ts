import { MAX_SHAPE_KEY_LENGTH, MAX_SHAPE_KEYS } from './tape.js';

/**
 * A sequence of keys of plain objects that were written, in a tree of such sequences: each step of it
 * is one key. A sequence that objects end with is a shape, which is written once a message.
 */
export class KeyPath {
  /** The last key; '' at the root. */
  readonly key: string;
  /** How many keys there are. */
  readonly count: number;
  /** The sequence without it; undefined at the root. */
  readonly parent: KeyPath | undefined;
  #joined: Uint8Array | undefined = undefined;
  /** The step that was taken last from here: most likely the one that is taken next. */
  latest: KeyPath | undefined = undefined;
  #next: Map<string, KeyPath> | undefined = undefined;
  /** Which message last wrote it as a shape, and at which place of its table of shapes. */
  message = 0;
  index = 0;
  /** Writes the values of an object that has exactly these keys, once it is worth having. */
  writer: ValueWriter | undefined = undefined;
  #uses = 0;

  constructor(key: string, parent: KeyPath | undefined) {
    this.key = key;
    this.parent = parent;
    this.count = parent === undefined ? 0 : parent.count + 1;
  }

  /** The keys joined by NUL, as ASCII. */
  get joined(): Uint8Array {
    return (this.#joined ??= new Uint8Array(Buffer.from(keysOf(this).join('\0'), 'latin1')));
  }

  /** This sequence and one key more; undefined when that cannot be part of a shape. */
  step(key: string): KeyPath | undefined {
    const next = this.#next?.get(key) ?? this.#add(key);
    if (next !== undefined) this.latest = next;
    return next;
  }

  /** To be called for each object with exactly these keys as long as there is no {@link writer}. */
  noteUse(): void {
    if (++this.#uses !== USES_BEFORE_WRITER || writers >= MAX_WRITERS) return;
    writers++;
    this.writer = generate(keysOf(this));
  }

  #add(key: string): KeyPath | undefined {
    this.#next ??= new Map();
    if (this.count === MAX_SHAPE_KEYS || this.#next.size >= MAX_STEPS || !fits(key)) {
      return undefined;
    }
    if (paths >= MAX_PATHS) return undefined;
    paths++;
    const next = new KeyPath(key, this);
    this.#next.set(key, next);
    return next;
  }
}

/** Where in a tape its writer is; see flatten.ts. */
export interface WriterState {
  words: Uint32Array;
  /** The next word. */
  word: number;
  /** Up to here a word may be written without making room. */
  limit: number;
}

/** What writes a value. */
export interface ValueWriters {
  text(value: string): void;
  number(value: number): void;
  /** Any value at all. */
  any(value: unknown, depth: number): void;
}

/** Writes each value of an object, in the order of its keys. */
export type ValueWriter = (
  object: Record<string, unknown>,
  writers: ValueWriters,
  depth: number,
) => void;

/** A writer is generated for keys that are used this often; it costs some 30 µs to make. */
const USES_BEFORE_WRITER = 8;
/** More writers than this are not made: somebody writes keys that are data. */
const MAX_WRITERS = 1024;
let writers = 0;

/**
 * A function that reads each value under a name of its own, so that V8 learns at which place of such an
 * object it lies. One loop for all kinds of objects finds it by a search as soon as it has met one that
 * is a hash table, or has numbers as keys. Undefined where the process forbids code from strings.
 */
function generate(keys: readonly string[]): ValueWriter | undefined {
  const calls = keys.map(
    (key) =>
      `value=object[${JSON.stringify(key)}];` +
      `if(typeof value==='string')text(value);` +
      `else if(typeof value==='number')number(value);` +
      `else any(value,depth);`,
  );
  const code = `const{text,number,any}=writers;let value;${calls.join('')}`;
  try {
    return new Function('object', 'writers', 'depth', code) as ValueWriter;
  } catch {
    return undefined;
  }
}

function keysOf(path: KeyPath): string[] {
  const keys = [];
  for (let { key, parent } = path; parent !== undefined; { key, parent } = parent) keys.push(key);
  return keys.reverse();
}

/** Where more keys than this follow the same ones, the keys are data. */
const MAX_STEPS = 256;
/** More sequences than this are not remembered. */
const MAX_PATHS = 16 * 1024;

let root = new KeyPath('', undefined);
let paths = 0;

/** The empty sequence, to be asked for once a message: too many sequences are then forgotten. */
export function noKeys(): KeyPath {
  if (paths >= MAX_PATHS) {
    root = new KeyPath('', undefined);
    paths = writers = 0;
  }
  return root;
}

/** ASCII without NUL, as the tape has it. */
function fits(key: string): boolean {
  return key.length <= MAX_SHAPE_KEY_LENGTH && /^[\x01-\x7f]+$/.test(key);
}

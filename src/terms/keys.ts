import { MAX_SHAPE_KEY_LENGTH, MAX_SHAPE_KEYS } from './tape.js';

/**
 * A sequence of keys of plain objects that were written, in a tree of such sequences: each step of it
 * is one key. A sequence that objects end with is a shape, which is written once a message.
 */
export class KeyPath {
  /** The last key; '' at the root. */
  readonly key: string;
  /** The keys joined by NUL, and how many there are. */
  readonly joined: string;
  readonly count: number;
  /** The step that was taken last from here: most likely the one that is taken next. */
  latest: KeyPath | undefined = undefined;
  #next: Map<string, KeyPath> | undefined = undefined;
  /** Which message last wrote it as a shape, and at which place of its table of shapes. */
  message = 0;
  index = 0;

  constructor(key: string, joined: string, count: number) {
    this.key = key;
    this.joined = joined;
    this.count = count;
  }

  /** This sequence and one key more; undefined when that cannot be part of a shape. */
  step(key: string): KeyPath | undefined {
    const next = this.#next?.get(key) ?? this.#add(key);
    if (next !== undefined) this.latest = next;
    return next;
  }

  #add(key: string): KeyPath | undefined {
    this.#next ??= new Map();
    if (this.count === MAX_SHAPE_KEYS || this.#next.size >= MAX_STEPS || !fits(key)) {
      return undefined;
    }
    if (paths >= MAX_PATHS) return undefined;
    paths++;
    const joined = this.count === 0 ? key : `${this.joined}\0${key}`;
    const next = new KeyPath(key, joined, this.count + 1);
    this.#next.set(key, next);
    return next;
  }
}

/** Where more keys than this follow the same ones, the keys are data. */
const MAX_STEPS = 256;
/** More sequences than this are not remembered. */
const MAX_PATHS = 16 * 1024;

let root = new KeyPath('', '', 0);
let paths = 0;

/** The empty sequence, to be asked for once a message: too many sequences are then forgotten. */
export function noKeys(): KeyPath {
  if (paths >= MAX_PATHS) {
    root = new KeyPath('', '', 0);
    paths = 0;
  }
  return root;
}

/** ASCII without NUL, as the tape has it. */
function fits(key: string): boolean {
  return key.length <= MAX_SHAPE_KEY_LENGTH && /^[\x01-\x7f]+$/.test(key);
}

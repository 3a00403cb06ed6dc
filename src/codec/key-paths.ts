import { Buffer } from 'node:buffer';
import { SerializeError } from './serialize-error.js';
import { MAX_SHAPE_KEY_LENGTH, MAX_SHAPE_KEYS } from './tape.js';

/** More keys than this are not remembered. */
const MAX_PATHS = 16 * 1024;
/** Where more keys than this follow the same ones, the keys are data. */
const MAX_STEPS = 256;
/**
 * How many keys may be remembered without delay. After that each object allows for one more, so that keys
 * that never come again are looked up, but seldom remembered.
 */
const MAX_CREDIT = 4096;
/** Code is generated for keys that have come this often: making it takes some microseconds for each key. */
const USES_BEFORE_CODE = 64;
/** Code is generated for no more keys than this. */
const MAX_KEYS_IN_CODE = 8192;

/** What generated code needs of an encoder. */
export interface ValueSink {
  writeString(value: string): void;
  writeNumber(value: number): void;
  write(value: unknown, depth: number): void;
}

/** Writes the values of an object, in the order of its keys. */
export type ValueWriter = (object: Record<string, unknown>, sink: ValueSink, depth: number) => void;

/**
 * The sequences of keys that an encoder has met in plain objects, as a tree in which each step is a key. A
 * sequence that objects end with is a shape: a tape has its keys only once.
 */
export class KeyPaths {
  /** The empty sequence. */
  root = new KeyPath('', undefined);
  #count = 0;
  #credit = MAX_CREDIT;
  #keysInCode = 0;
  #mayGenerate = true;

  /** Begins a tape. Forgets the sequences if there are too many. */
  begin(): void {
    if (this.#count < MAX_PATHS) return;
    this.root = new KeyPath('', undefined);
    this.#count = this.#keysInCode = 0;
    this.#credit = MAX_CREDIT;
  }

  /** Notes an object that was not written by generated code; `path` is the shape of its keys, if any. */
  note(path: KeyPath | undefined): void {
    if (this.#credit < MAX_CREDIT) this.#credit++;
    if (path === undefined || ++path.uses < USES_BEFORE_CODE) return;
    if (!this.#mayGenerate || this.#keysInCode + path.count > MAX_KEYS_IN_CODE) return;
    this.#keysInCode += path.count;
    path.writer = generate(path.keys());
    // The process forbids code from strings, and will go on doing so.
    if (path.writer === undefined) this.#mayGenerate = false;
  }

  /** Whether a sequence may be continued: then it will be to its end, as far as the count of keys goes. */
  take(path: KeyPath): boolean {
    const left = MAX_SHAPE_KEYS - path.count;
    if (left === 0 || this.#credit < left || this.#count >= MAX_PATHS) return false;
    this.#credit--;
    this.#count++;
    return true;
  }
}

/** A sequence of keys. */
export class KeyPath {
  /** The last key; '' for the empty sequence. */
  readonly key: string;
  /** How many keys there are. */
  readonly count: number;
  /** The sequence without its last key. */
  readonly parent: KeyPath | undefined;
  /** The continuation that was taken last: most likely the one that is taken next. */
  latest: KeyPath | undefined = undefined;
  /** All of them, once there are two. */
  #next: Map<string, KeyPath> | undefined = undefined;
  #joined: Uint8Array | undefined = undefined;
  /** The number of the tape that last had it as a shape, and its place among the shapes of that one. */
  tape = 0;
  index = 0;
  /** How many objects with exactly these keys were written by other means than {@link writer}. */
  uses = 0;
  /** Generated code for these keys. */
  writer: ValueWriter | undefined = undefined;

  constructor(key: string, parent: KeyPath | undefined) {
    this.key = key;
    this.parent = parent;
    this.count = parent === undefined ? 0 : parent.count + 1;
  }

  /** The keys joined by NUL, as ASCII. */
  get joined(): Uint8Array {
    return (this.#joined ??= new Uint8Array(Buffer.from(this.keys().join('\0'), 'latin1')));
  }

  keys(): string[] {
    const keys = [this.key];
    for (let path = this.parent; path !== undefined; path = path.parent) keys.push(path.key);
    // The last one is that of the empty sequence.
    return keys.slice(0, -1).reverse();
  }

  /** This sequence and one key more; undefined when that is not remembered. */
  step(key: string, paths: KeyPaths): KeyPath | undefined {
    const next = this.#next?.get(key) ?? this.#add(key, paths);
    if (next !== undefined) this.latest = next;
    return next;
  }

  #add(key: string, paths: KeyPaths): KeyPath | undefined {
    const { latest } = this;
    if (this.#next !== undefined && this.#next.size >= MAX_STEPS) return undefined;
    if (!fits(key) || !paths.take(this)) return undefined;
    const next = new KeyPath(key, this);
    if (this.#next !== undefined) {
      this.#next.set(key, next);
    } else if (latest !== undefined) {
      this.#next = new Map([
        [latest.key, latest],
        [key, next],
      ]);
    }
    return next;
  }
}

/** ASCII without NUL, which separates the keys. */
function fits(key: string): boolean {
  return key.length <= MAX_SHAPE_KEY_LENGTH && /^[\x01-\x7f]+$/.test(key);
}

/**
 * A function that reads each value by a name of its own, so that V8 learns where in such objects it is. A
 * loop for all objects searches for values once it has met an object that is a hash table, or has numbers as
 * keys. Undefined where the process forbids code from strings.
 */
function generate(keys: readonly string[]): ValueWriter | undefined {
  const writes = keys.map(
    (key, index) =>
      `at=${index};value=object[${JSON.stringify(key)}];` +
      `if(typeof value==='string')sink.writeString(value);` +
      `else if(typeof value==='number')sink.writeNumber(value);` +
      `else sink.write(value,depth);`,
  );
  const body = `let at=0,value;try{${writes.join('')}}catch(error){throw through(error,object,at)}`;
  const through = (error: unknown, object: object, at: number): unknown =>
    SerializeError.through(error, object, keys[at]!);
  try {
    const make = new Function('through', `return(object,sink,depth)=>{${body}}`);
    return make(through) as ValueWriter;
  } catch {
    return undefined;
  }
}

import { Buffer } from 'node:buffer';
import { SerializeError } from './serialize-error.js';
import { MAX_SHAPE_KEY_LENGTH, MAX_SHAPE_KEYS } from './tape.js';

const MAX_PATHS = 16 * 1024;
/** If more keys than this follow the same keys, they are data. */
const MAX_STEPS = 256;
/** After this many keys, only one per object is remembered, so that unique keys cost little. */
const MAX_CREDIT = 4096;
/** Generating code takes some microseconds per key. */
const USES_BEFORE_CODE = 64;
const MAX_KEYS_IN_CODE = 8192;

export interface ValueSink {
  writeString(value: string): void;
  writeNumber(value: number): void;
  write(value: unknown, depth: number): void;
}

export type ValueWriter = (object: Record<string, unknown>, sink: ValueSink, depth: number) => void;

/**
 * A trie of the ordered keys of plain objects. A tape contains each complete sequence (a shape) once.
 */
export class KeyPaths {
  root = new KeyPath('', undefined);
  #count = 0;
  #credit = MAX_CREDIT;
  #keysInCode = 0;
  #mayGenerate = true;

  begin(): void {
    if (this.#count < MAX_PATHS) return;
    this.root = new KeyPath('', undefined);
    this.#count = this.#keysInCode = 0;
    this.#credit = MAX_CREDIT;
  }

  note(path: KeyPath | undefined): void {
    if (this.#credit < MAX_CREDIT) this.#credit++;
    if (path === undefined || ++path.uses < USES_BEFORE_CODE) return;
    if (!this.#mayGenerate || this.#keysInCode + path.count > MAX_KEYS_IN_CODE) return;
    this.#keysInCode += path.count;
    path.writer = generate(path.keys());
    if (path.writer === undefined) this.#mayGenerate = false;
  }

  take(path: KeyPath): boolean {
    const left = MAX_SHAPE_KEYS - path.count;
    if (left === 0 || this.#credit < left || this.#count >= MAX_PATHS) return false;
    this.#credit--;
    this.#count++;
    return true;
  }
}

export class KeyPath {
  readonly key: string;
  readonly count: number;
  readonly parent: KeyPath | undefined;
  latest: KeyPath | undefined = undefined;
  #next: Map<string, KeyPath> | undefined = undefined;
  #joined: Uint8Array | undefined = undefined;
  tape = 0;
  index = 0;
  /** Objects that {@link writer} did not write. */
  uses = 0;
  writer: ValueWriter | undefined = undefined;

  constructor(key: string, parent: KeyPath | undefined) {
    this.key = key;
    this.parent = parent;
    this.count = parent === undefined ? 0 : parent.count + 1;
  }

  get joined(): Uint8Array {
    return (this.#joined ??= new Uint8Array(Buffer.from(this.keys().join('\0'), 'latin1')));
  }

  keys(): string[] {
    const keys = [this.key];
    for (let path = this.parent; path !== undefined; path = path.parent) keys.push(path.key);
    return keys.slice(0, -1).reverse();
  }

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

function fits(key: string): boolean {
  return key.length <= MAX_SHAPE_KEY_LENGTH && /^[\x01-\x7f]+$/.test(key);
}

/** V8 caches where a named property is. A loop over keys searches once it has met hash tables. */
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

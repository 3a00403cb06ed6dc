import { type KeyPath, KeyPaths, type ValueSink } from './key-paths.js';
import { SerializeError, type SizeLimit, TooDeepError } from './serialize-error.js';
import * as tape from './tape.js';
import { TapeWriter } from './tape-writer.js';

const { CONST, EMPTY_MAP, EXT, KEYS_MIXED, MAP, MAX_PAIRS, MAX_SHAPE_KEYS, MIXED, OBJECT } = tape;

export type Properties = Record<string, unknown>;

const LOOK_AHEAD = 32;

export abstract class ObjectWriter extends TapeWriter implements ValueSink {
  protected maxDepth = 0;
  private readonly paths = new KeyPaths();
  private inherits = false;
  private largeAhead = 0;
  private largeKeys: readonly string[] | undefined = undefined;

  abstract write(value: unknown, depth: number): void;

  protected override begin(limit: SizeLimit): void {
    super.begin(limit);
    this.paths.begin();
    this.inherits = hasEnumerable(Object.prototype);
    this.largeKeys = undefined;
  }

  protected enter(depth: number): void {
    if (depth >= this.maxDepth) throw new TooDeepError(this.maxDepth);
  }

  /** A proxied array may claim any length. */
  protected refuseCount(count: number, most: number): never {
    this.checkSize(count);
    throw new SerializeError(`has ${String(count)} items; at most ${most} can be encoded`);
  }

  protected writePlain(value: Properties, depth: number): void {
    const path = this.inherits ? undefined : this.pathOf(value);
    if (path !== undefined && path.writer !== undefined) {
      this.enter(depth);
      if (this.word > this.limit) this.grow(1);
      this.words[this.word++] = (this.shapeIndex(path) << 4) | OBJECT;
      path.writer(value, this, depth + 1);
      return;
    }
    this.paths.note(path);
    if (this.largeKeys === undefined) this.writePairs(value, depth, this.inherits);
    else this.writeLarge(value, depth);
  }

  private pathOf(value: Properties): KeyPath | undefined {
    if (this.largeAhead > 0 && this.isLarge(value)) return undefined;
    let path = this.paths.root;
    for (const key in value) {
      const { latest } = path;
      const next = latest !== undefined && latest.key === key ? latest : path.step(key, this.paths);
      if (next === undefined) {
        if (path.count === MAX_SHAPE_KEYS) this.isLarge(value);
        return undefined;
      }
      path = next;
    }
    return path.count === 0 ? undefined : path;
  }

  /** Listing the keys of a large object is slow, because V8 sorts them, so `largeKeys` keeps the list. */
  private isLarge(value: Properties): boolean {
    const keys = Object.keys(value);
    if (keys.length > MAX_SHAPE_KEYS) {
      this.largeKeys = keys;
      this.largeAhead = LOOK_AHEAD;
      return true;
    }
    if (this.largeAhead > 0) this.largeAhead--;
    return false;
  }

  private writeLarge(value: Properties, depth: number): void {
    const keys = this.largeKeys!;
    this.largeKeys = undefined;
    this.enter(depth);
    this.put(0);
    this.putMapHead(this.word - 1, keys.length);
    let index = 0;
    let atKey = true;
    try {
      for (; index < keys.length; index++) {
        const key = keys[index]!;
        atKey = true;
        this.writeKey(key);
        atKey = false;
        this.write(value[key], depth + 1);
      }
    } catch (error) {
      throw throughProperty(error, value, keys[index]!, atKey);
    }
  }

  /** One loop writes keys and values, because listing the keys first takes three times as long. */
  protected writePairs(value: Properties, depth: number, inherits: boolean): void {
    this.put(0);
    const head = this.word - 1;
    let path = this.paths.root;
    let pairsAt = -1;
    let pairs = 0;
    let latestKey = '';
    let atKey = true;
    try {
      for (const key in value) {
        if (inherits && !Object.hasOwn(value, key)) continue;
        latestKey = key;
        atKey = true;
        if (pairsAt < 0) {
          if (path.count === 0) this.enter(depth);
          const { latest } = path;
          const next =
            latest !== undefined && latest.key === key ? latest : path.step(key, this.paths);
          if (next !== undefined) path = next;
          else pairsAt = this.beginPairs(path);
        }
        if (pairsAt >= 0) {
          this.writeKey(key);
          pairs++;
        }
        atKey = false;
        this.write(value[key], depth + 1);
      }
    } catch (error) {
      throw throughProperty(error, value, latestKey, atKey);
    }
    this.putObjectHead(head, path, pairsAt, pairs);
  }

  private beginPairs(path: KeyPath): number {
    if (path.count === 0) return 0;
    this.put(0);
    return this.word - 1;
  }

  private putObjectHead(head: number, path: KeyPath, pairsAt: number, pairs: number): void {
    if (path.count === 0) {
      if (pairs > 0) this.putMapHead(head, pairs);
      else this.words[head] = (EMPTY_MAP << 4) | CONST;
      return;
    }
    if (pairs > MAX_PAIRS) this.refuseCount(pairs, MAX_PAIRS);
    const shape = this.shapeIndex(path);
    if (pairsAt < 0) {
      this.words[head] = (shape << 4) | OBJECT;
    } else {
      this.words[head] = (((shape << 6) | MIXED) << 4) | EXT;
      this.words[pairsAt] = pairs;
    }
  }

  protected putMapHead(head: number, count: number): void {
    if (count > MAX_PAIRS) this.refuseCount(count, MAX_PAIRS);
    this.words[head] = (((count << 2) | KEYS_MIXED) << 4) | MAP;
  }
}

function throughProperty(error: unknown, object: object, key: string, atKey: boolean): unknown {
  if (!atKey) return SerializeError.through(error, object, key);
  const isKeyWrong = SerializeError.is(error) && !key.isWellFormed();
  return isKeyWrong ? new SerializeError('has a key with a lone surrogate') : error;
}

function hasEnumerable(object: object): boolean {
  for (const _ in object) return true;
  return false;
}

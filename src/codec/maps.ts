import * as tape from './tape.js';
import { setOwn } from './shapes.js';
import { isSparse, setSparse } from './sparse-keys.js';
import type { TapeCursor } from './tape-cursor.js';

const CONSTANT_NAMES = ['false', 'true', 'nil', 'undefined'] as const;
/** V8 keeps larger objects as hash tables anyway. */
const MANY_KEYS = 64;

export function readMap(at: TapeCursor, keys: number, count: number): unknown {
  if (keys === tape.KEYS_MIXED) {
    const map = new Map<unknown, unknown>();
    for (let index = 0; index < count; index++) map.set(at.read(), at.read());
    return map;
  }
  const object = count > MANY_KEYS ? readManyKeys(at, count) : readPairs(at, {}, count);
  return keys === tape.KEYS_ATOMS ? revive(at, object) : object;
}

export function readMixed(at: TapeCursor, keys: number, index: number): unknown {
  const shape = at.shapes[index]!;
  if (keys === tape.KEYS_MIXED) {
    const map = new Map<unknown, unknown>();
    for (let key = 0; key < shape.keys.length; key++) map.set(shape.keyTerm(key), at.read());
    for (let left = at.words[at.word++]!; left > 0; left--) map.set(at.read(), at.read());
    return map;
  }
  const object = shape.readPlain(at);
  readPairs(at, object, at.words[at.word++]!);
  return keys === tape.KEYS_ATOMS ? revive(at, object) : object;
}

function readPairs(
  at: TapeCursor,
  object: Record<string, unknown>,
  count: number,
): Record<string, unknown> {
  for (let left = count; left > 0; left--) setOwn(object, readKey(at), at.read(), count);
  return object;
}

/** Without a prototype, assignments take half the time. */
function readManyKeys(at: TapeCursor, count: number): Record<string, unknown> {
  const object = { __proto__: null } as unknown as Record<string, unknown>;
  for (let left = count; left > 0; left--) {
    const key = readKey(at);
    if (isSparse(key, count)) setSparse(object, key, at.read());
    else object[key] = at.read();
  }
  return Object.setPrototypeOf(object, Object.prototype) as Record<string, unknown>;
}

function readKey(at: TapeCursor): string {
  const head = at.words[at.word]!;
  const payload = head >>> 4;
  switch (head & 15) {
    case tape.ATOM:
      at.word++;
      return at.atoms[payload]!.name;
    case tape.CONST:
      at.word++;
      return payload === tape.EMPTY_TEXT ? '' : CONSTANT_NAMES[payload]!;
    default:
      return at.read() as string;
  }
}

function revive(at: TapeCursor, object: Record<string, unknown>): unknown {
  return at.revivers === undefined ? object : at.revivers.object(object);
}

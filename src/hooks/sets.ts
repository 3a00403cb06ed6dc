import { types } from 'node:util';
import { filled } from '../codec/arrays.js';
import { haveCollidingTexts } from '../codec/colliding-texts.js';
import type { TupleReviver } from '../codec/revivers.js';
import { atom, type Encoder, isTuple, tuple } from '../terms/index.js';

const TAG = '$set';
const SET = atom(TAG);
/** How many numbers sent as a `Float` or by a `toTerm` are allowed, because so few may collide. */
const MAX_UNCHECKED = 256;

/**
 * `{'$set', Members, Numbers}`: numbers are keys of a map to their places, because the decoder
 * bounds how many numeric keys may collide in V8's hash tables.
 */
export const setEncoder: Encoder<Set<unknown>> = {
  class: Set,
  toTerm(set) {
    const members: unknown[] = [];
    const numbers = new Map<unknown, number>();
    let place = 0;
    for (const member of Array.from(set)) {
      if (isNumeric(member)) numbers.set(member, place);
      else members.push(member);
      place++;
    }
    return tuple(SET, members, numbers);
  },
};

export const setReviver: TupleReviver = {
  tag: TAG,
  length: 3,
  revive: (term) => setOf(term[1], term[2]) ?? term,
};

function setOf(members: unknown, numbers: unknown): Set<unknown> | undefined {
  if (!Array.isArray(members) || isTuple(members)) return undefined;
  if (members.filter(isNumeric).length > MAX_UNCHECKED || haveCollidingTexts(members))
    return undefined;
  const places = entriesOf(numbers);
  if (places === undefined) return undefined;
  const inOrder = filled<unknown>(members.length + places.length, NONE);
  for (const [number, place] of places) {
    if (inOrder[place as number] !== NONE) return undefined;
    inOrder[place as number] = number;
  }
  let next = 0;
  return new Set(
    inOrder.map((member) => (member === NONE ? (members[next++] as unknown) : member)),
  );
}

const NONE = Symbol('none');

/** An empty map is decoded as an object. */
function entriesOf(map: unknown): [unknown, unknown][] | undefined {
  if (types.isMap(map)) return Array.from(map);
  const isEmpty = typeof map === 'object' && map !== null && Object.keys(map).length === 0;
  return isEmpty && !Array.isArray(map) ? [] : undefined;
}

function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'bigint';
}

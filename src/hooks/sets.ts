import { types } from 'node:util';
import { filled } from '../codec/arrays.js';
import { haveCollidingTexts } from '../codec/colliding-texts.js';
import type { TupleReviver } from '../codec/revivers.js';
import { atom, type Encoder, Float, isTuple, tuple } from '../terms/index.js';

const TAG = '$set';
const SET = atom(TAG);
/** How many numbers may be members and not keys, because so few may collide. */
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
    const received = new Set<number | bigint>();
    let place = 0;
    for (const member of distinctMembers(set)) {
      // `1` and `new Float(1)` would be the same key for the receiver.
      const number = member instanceof Float ? member.value : member;
      if (!isNumeric(number) || received.has(number)) {
        members.push(member);
      } else {
        received.add(number);
        numbers.set(member, place);
      }
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

/** Numbers that are the same term, such as `1` and `1n`, count once. */
export function distinctMembers(set: Set<unknown>): Set<unknown> {
  return new Set(Array.from(set, plainNumber));
}

/** Without the class or type that makes no difference on the wire. */
function plainNumber(member: unknown): unknown {
  if (member instanceof Float) return Number.isSafeInteger(member.value) ? member : member.value;
  const isSafe = typeof member === 'bigint' && Number.isSafeInteger(Number(member));
  return isSafe ? Number(member) : member;
}

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

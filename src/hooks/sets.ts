import { types } from 'node:util';
import { filled } from '../codec/arrays.js';
import { haveCollidingTexts } from '../codec/colliding-texts.js';
import type { TupleReviver } from '../codec/revivers.js';
import { atom, type Encoder, Float, isTuple, tuple } from '../terms/index.js';

const TAG = '$set';
const SET = atom(TAG);
/** How many equal numbers or numbers of a `toTerm` are allowed, because so few may collide. */
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
    for (const member of Array.from(set)) {
      const number = receivedNumber(member);
      if (number === undefined || received.has(number)) {
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

/** The number that the receiver sees, if any: `1`, `1n` and `new Float(1)` arrive as `1`. */
function receivedNumber(member: unknown): number | bigint | undefined {
  if (member instanceof Float) return member.value;
  if (typeof member === 'number') return member;
  if (typeof member !== 'bigint') return undefined;
  return Number.isSafeInteger(Number(member)) ? Number(member) : member;
}

function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'bigint';
}

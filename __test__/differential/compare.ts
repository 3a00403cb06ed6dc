import { decode, encode, Fun, ImproperList, TermError } from '../../src/index.js';
import type { ErlangDescription } from '../interop/erlang.js';
import { canonical, exactValue } from '../support/vectors.js';

export type Own =
  | { readonly value: unknown; readonly encoded: Buffer }
  | { readonly refused: string }
  | { readonly crashed: string };

export type DifferenceKind =
  | 'crashes here'
  | 'Erlang ends'
  | 'Erlang is not asked'
  | 'taken by Erlang only'
  | 'taken here only'
  | 'another length'
  | 'another value'
  | 'another encoding'
  | 'an encoding of another term'
  | 'the modes differ';

export const ENDED = 'it ends';
export const NOT_ASKED = 'it is not asked';

export interface Difference {
  readonly kind: DifferenceKind;
  readonly own: string;
  readonly erlang: string;
}

export interface Case {
  readonly bytes: Buffer;
  readonly own: Own;
  readonly erlang: ErlangDescription;
}

export function decodeHere(bytes: Uint8Array): Own {
  try {
    const value = decode(bytes, { terms: 'exact' });
    return { value, encoded: encode(value) };
  } catch (error) {
    if (error instanceof TermError) return { refused: error.message };
    return { crashed: error instanceof Error ? String(error.stack) : String(error) };
  }
}

export function compare({ bytes, own, erlang }: Case): Difference | undefined {
  const found = (kind: DifferenceKind, ours = describeOwn(own)): Difference => ({
    kind,
    own: ours,
    erlang: 'error' in erlang ? erlang.error : `${erlang.used} bytes, ${hexOf(erlang.reencoded)}`,
  });
  if ('crashed' in own) return found('crashes here');
  const modes = plainMode(bytes, !('refused' in own));
  if (modes !== undefined) return found('the modes differ', modes);
  if ('error' in erlang && erlang.error === ENDED) return found('Erlang ends');
  if ('error' in erlang && erlang.error === NOT_ASKED) return found('Erlang is not asked');
  if ('refused' in own) return 'error' in erlang ? undefined : found('taken by Erlang only');
  if ('error' in erlang) return found('taken here only');
  // A prefix must be accepted exactly from the term's length on.
  if (!takes(bytes.subarray(0, erlang.used)) || takes(bytes.subarray(0, erlang.used - 1))) {
    return found('another length');
  }
  const hasFun = JSON.stringify(erlang.term).includes('{"fun":');
  if (!hasFun && canonical(own.value) !== canonical(exactValue(erlang.term))) {
    return found('another value', canonical(own.value));
  }
  if (erlang.same !== true) return found('an encoding of another term');
  const reencoded = Buffer.from(erlang.reencoded, 'base64');
  // Erlang reorders the pairs of a map.
  const alike = hasOrder(own.value)
    ? own.encoded.length === reencoded.length
    : own.encoded.equals(reencoded);
  return alike ? undefined : found('another encoding');
}

function hasOrder(value: unknown): boolean {
  const stack = [value];
  for (let next = stack.pop(); stack.length > 0 || next !== undefined; next = stack.pop()) {
    if (next instanceof Map) {
      if (next.size > 1) return true;
      stack.push(...next.keys(), ...next.values());
    } else if (Array.isArray(next)) {
      for (const item of next) stack.push(item);
    } else if (next instanceof ImproperList) {
      stack.push(...next.items, next.tail);
    } else if (next instanceof Fun) {
      stack.push(...next.parts.free);
    }
  }
  return false;
}

function takes(bytes: Uint8Array): boolean {
  return !('refused' in decodeHere(bytes));
}

/** The default mode must accept what the exact mode accepts, and return a term. */
function plainMode(bytes: Uint8Array, taken: boolean): string | undefined {
  try {
    encode(decode(bytes));
    return taken ? undefined : 'taken by the default mode only';
  } catch (error) {
    if (!(error instanceof TermError)) return `the default mode crashes: ${String(error)}`;
    return taken ? `the default mode refuses it: ${error.message}` : undefined;
  }
}

function describeOwn(own: Own): string {
  if ('crashed' in own) return own.crashed;
  return 'refused' in own ? own.refused : `a term, ${own.encoded.toString('hex')}`;
}

const hexOf = (base64: string): string => Buffer.from(base64, 'base64').toString('hex');

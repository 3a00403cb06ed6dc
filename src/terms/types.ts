import type { Atom } from './atom.js';
import type { TupleMark } from './tuple.js';
import type {
  BitString,
  ExternalFunction,
  Float,
  Fun,
  ImproperList,
  Pid,
  Port,
  Reference,
} from './values.js';

/** A term that decoding makes, or any value that encoding takes. */
export type Term =
  | number
  | bigint
  | string
  | boolean
  | null
  | undefined
  | Atom
  | Float
  | Uint8Array
  | BitString
  | (readonly Term[] & TupleMark)
  | readonly Term[]
  | ImproperList
  | Pid
  | Port
  | Reference
  | Fun
  | ExternalFunction
  | ReadonlyMap<Term, Term>
  | { readonly [key: string]: Term };

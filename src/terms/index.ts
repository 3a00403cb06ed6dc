export { Atom, atom } from './atom.js';
export { charlist, charlistToString } from './charlist.js';
export { type Encoder, toTerm } from './hooks.js';
export { isTuple, type Tuple, tuple } from './tuple.js';
export type { Term } from './types.js';
export {
  BitString,
  ExternalFunction,
  Float,
  float,
  Fun,
  ImproperList,
  Pid,
  Port,
  Reference,
} from './values.js';

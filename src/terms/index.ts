export { Atom, atom } from './atom.js';
export { charlist, charlistToString } from './charlist.js';
export { type Encoder, toTerm } from './hooks.js';
export { isTuple, type Tuple, tuple } from './tuple.js';
export {
  BitString,
  ExternalFunction,
  Float,
  float,
  Fun,
  ImproperList,
  NativeRecord,
  Pid,
  Port,
  Reference,
  type Term,
} from './values.js';

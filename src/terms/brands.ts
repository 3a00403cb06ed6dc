/** The value classes that stand for a term each. */
export type TermKind =
  | 'atom'
  | 'float'
  | 'bit_string'
  | 'improper_list'
  | 'pid'
  | 'port'
  | 'reference'
  | 'external_function'
  | 'fun'
  | 'native_record';

/** The brand of the value classes: which term a value is. */
export const TERM: unique symbol = Symbol.for('backwater.term') as never;

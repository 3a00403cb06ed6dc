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

export const TERM: unique symbol = Symbol.for('backwater.term') as never;

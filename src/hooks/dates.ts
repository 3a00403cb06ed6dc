import type { TupleReviver } from '../codec/revivers.js';
import { atom, type Encoder, tuple } from '../terms/index.js';

const TAG = '$date';
const DATE = atom(TAG);

/** `{'$date', Milliseconds}`; `nil` for an invalid date. */
export const dateEncoder: Encoder<Date> = {
  class: Date,
  toTerm(date) {
    const time = date.getTime();
    return tuple(DATE, Number.isNaN(time) ? null : time);
  },
};

export const dateReviver: TupleReviver = {
  tag: TAG,
  length: 2,
  revive(term) {
    const time: unknown = term[1];
    return typeof time === 'number' || time === null ? new Date(time ?? NaN) : term;
  },
};

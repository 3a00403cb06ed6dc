import { TermError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { type Atom, toTerm } from '../terms/index.js';
import { inspectSymbol, type PrinterOptions } from '../terms/inspect.js';
import { type Fields, struct } from './struct.js';

/** A range of integers, both ends included, like Elixir's `1..10//2`. */
export class Range {
  /** The first number. */
  readonly first: number;
  /** Where it ends, if a step leads there. */
  readonly last: number;
  /** The difference between consecutive numbers. */
  readonly step: number;

  /**
   * @param step by default 1 or -1, whichever leads to `last`
   * @throws `TermError` if one is not a safe integer, or the step is 0
   */
  constructor(first: number, last: number, step = first <= last ? 1 : -1) {
    for (const [name, value] of Object.entries({ first, last, step })) {
      if (!Number.isSafeInteger(value)) {
        throw new TermError(
          `${name} of a Range must be a safe integer, not ${inspectBriefly(value, 100)}`,
        );
      }
    }
    if (step === 0) throw new TermError('the step of a Range cannot be 0');
    this.first = first;
    this.last = last;
    this.step = step;
    Object.freeze(this);
  }

  /** @internal Undefined if a field is invalid. */
  static ofFields({ first, last, step }: Fields): Range | undefined {
    const all = [first, last, step] as [number, number, number];
    return all.every(Number.isSafeInteger) && step !== 0 ? new Range(...all) : undefined;
  }

  /** How many numbers it has. */
  get size(): number {
    return Math.max(0, Math.floor((this.last - this.first) / this.step) + 1);
  }

  /** Whether it has a number. */
  has(value: number): boolean {
    const index = (value - this.first) / this.step;
    return Number.isInteger(index) && index >= 0 && index < this.size;
  }

  *[Symbol.iterator](): Generator<number, void> {
    for (let index = 0; index < this.size; index++) yield this.first + index * this.step;
  }

  /** As in Elixir: `1..10`, `5..1//-2`. */
  toString(): string {
    const { first, last, step } = this;
    return step === 1 ? `${first}..${last}` : `${first}..${last}//${step}`;
  }

  [toTerm](): Map<Atom, unknown> {
    return struct('Range', { first: this.first, last: this.last, step: this.step });
  }

  [inspectSymbol](_depth: number | null, options: PrinterOptions): string {
    return options.stylize(`Range(${this.toString()})`, 'number');
  }
}

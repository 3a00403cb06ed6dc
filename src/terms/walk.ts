import { TermError } from '../errors.js';

/** So many calls of `toTerm` may follow from each other. */
const MAX_HOOKS = 10_000;

/** What is wrong with a value; where, the walk knows. */
export class Fault extends Error {}

/** A part of a value, with how it is reached from there. */
export interface Part {
  readonly path: string;
  readonly value: unknown;
  /** To be done before the part. */
  readonly before?: () => void;
  /** Whether it is what a `toTerm` has returned. */
  readonly hooked?: boolean;
}

/** Deals with a value and returns its parts; undefined when it has none. Throws a {@link Fault}. */
export type Step = (value: unknown) => Part[] | undefined;

interface Level {
  readonly parts: Part[];
  readonly value: unknown;
  next: number;
  /** How many calls of `toTerm` it follows from. */
  readonly hooks: number;
}

/**
 * Visits a value and all its parts in order, with a stack of its own, so that no nesting is too deep.
 *
 * @throws TermError with the path to the part that `step` refuses, or that contains itself
 */
export function walk(root: unknown, name: string, step: Step): void {
  const levels: Level[] = [];
  const ancestors = new Set<unknown>();
  const fail = (fault: Fault): never => {
    const path = name + levels.map(({ parts, next }) => parts[next - 1]?.path ?? '').join('');
    const { cause } = fault;
    throw new TermError(
      `${shorten(path)} ${fault.message}`,
      cause === undefined ? { path } : { path, cause },
    );
  };
  const enter = (value: unknown, hooks: number): void => {
    if (ancestors.has(value)) fail(new Fault('contains itself: a cycle is no term'));
    try {
      const parts = step(value);
      if (parts === undefined) return;
      ancestors.add(value);
      levels.push({ parts, value, next: 0, hooks });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      fail(error);
    }
  };
  enter(root, 0);
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const part = level.parts[level.next++];
    if (part === undefined) {
      ancestors.delete(level.value);
      levels.pop();
    } else {
      try {
        part.before?.();
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        fail(error);
      }
      const hooks = level.hooks + (part.hooked === true ? 1 : 0);
      if (hooks > MAX_HOOKS) {
        fail(new Fault(`follows from more than ${MAX_HOOKS} calls of toTerm, one from the other`));
      }
      enter(part.value, hooks);
    }
  }
}

/** A path of ten thousand steps helps nobody. */
function shorten(path: string): string {
  return path.length <= 300 ? path : `${path.slice(0, 150)} … ${path.slice(-150)}`;
}

import { SizeError, TermError } from '../errors/errors.js';

/**
 * How a container leads to what it contains: by an index, the name of a property, or as the function says.
 * Nothing is computed as long as the error is on its way: there may be no stack left.
 */
export type Step = number | string | (() => string);

/** The most bytes that an encoding may have, and the option that says so, if it is one of the caller's. */
export interface SizeLimit {
  readonly bytes: number;
  readonly option?: 'maxSize' | 'maxEncodedArgsSize';
}

/** The limit where an option is checked later: no message can be larger. */
export const LARGEST: SizeLimit = { bytes: 2 ** 28 - 1 };

/**
 * Why a value cannot be encoded. The encoder throws it where it meets the value, and each container that
 * the error passes on its way up adds its part of the path. It never leaves the codec.
 */
export class SerializeError extends Error {
  /** From the value outwards. */
  readonly #containers: object[] = [];
  readonly #steps: Step[] = [];

  /** Adds a container to the path if the error is one of these. Returns the error, whatever it is. */
  static through(error: unknown, container: object, step: Step): unknown {
    if (SerializeError.is(error)) {
      error.#containers.push(container);
      error.#steps.push(step);
    }
    return error;
  }

  /** Unlike `instanceof`, this runs no trap of a proxy that a getter has thrown. */
  static is(error: unknown): error is SerializeError {
    return typeof error === 'object' && error !== null && #steps in error;
  }

  /** The error for the caller; `root` is what the path begins with. */
  toTermError(root: string): TermError {
    const path = root + this.path(this.#steps.length);
    const { cause } = this;
    return this.describe(path, cause === undefined ? {} : { cause });
  }

  protected describe(path: string, options: ErrorOptions): TermError {
    return new TermError(`${shorten(path)} ${this.message}`, { ...options, path });
  }

  /** The outermost steps as text. */
  protected path(count: number): string {
    return this.#steps.toReversed().slice(0, count).map(textOf).join('');
  }

  /** How many steps lead from the outside to a container that is inside of itself; -1 if there is none. */
  protected stepsToCycle(): number {
    const met = new Set<object>();
    return this.#containers.toReversed().findIndex((container) => {
      const repeated = met.has(container);
      met.add(container);
      return repeated;
    });
  }
}

/** The value is nested too deep, which it also is when it contains itself. */
export class TooDeepError extends SerializeError {
  constructor(maxDepth: number) {
    super(`is nested deeper than ${maxDepth} levels (option maxDepth)`);
  }

  override toTermError(root: string): TermError {
    const count = this.stepsToCycle();
    if (count < 0) return super.toTermError(root);
    const path = root + this.path(count);
    return new TermError(`${shorten(path)} contains itself; cyclic values cannot be encoded`, {
      path,
    });
  }
}

/** The text is no Unicode. */
export class LoneSurrogateError extends SerializeError {
  constructor() {
    super('has a lone surrogate');
  }
}

/** The value makes the encoding too large. */
export class TooLargeError extends SerializeError {
  readonly #limit: SizeLimit;

  constructor(limit: SizeLimit, size: number) {
    const { bytes, option } = limit;
    const most = `${bytes} bytes${option === undefined ? '' : ` (option ${option})`}`;
    super(`makes the encoding at least ${Math.ceil(size)} bytes long; the limit is ${most}`);
    this.#limit = limit;
  }

  protected override describe(path: string, options: ErrorOptions): TermError {
    const { bytes, option } = this.#limit;
    if (option !== 'maxEncodedArgsSize') return super.describe(path, options);
    return new SizeError({ option, limit: bytes, path });
  }
}

function textOf(step: Step): string {
  if (typeof step === 'function') return step();
  if (typeof step === 'number') return `[${step}]`;
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}

/** A path of a thousand steps does not help. */
function shorten(path: string): string {
  return path.length <= 300 ? path : `${path.slice(0, 150)} … ${path.slice(-150)}`;
}

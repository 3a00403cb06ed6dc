import { SizeError, TermError } from '../errors/errors.js';

/** Functions are called later, because the stack may be used up while the error propagates. */
export type Step = number | string | (() => string);

export interface SizeLimit {
  readonly bytes: number;
  readonly option?: 'maxSize' | 'maxEncodedArgsSize';
}

/** No message can be larger. */
export const LARGEST: SizeLimit = { bytes: 2 ** 28 - 1 };

export class SerializeError extends Error {
  readonly #containers: object[] = [];
  readonly #steps: Step[] = [];

  static through(error: unknown, container: object, step: Step): unknown {
    if (SerializeError.is(error)) {
      error.#containers.push(container);
      error.#steps.push(step);
    }
    return error;
  }

  /** Unlike `instanceof`, runs no traps of a thrown proxy. */
  static is(error: unknown): error is SerializeError {
    return typeof error === 'object' && error !== null && #steps in error;
  }

  toTermError(root: string): TermError {
    const path = root + this.path(this.#steps.length);
    const { cause } = this;
    return this.describe(path, cause === undefined ? {} : { cause });
  }

  protected describe(path: string, options: ErrorOptions): TermError {
    return new TermError(`${shorten(path)} ${this.message}`, { ...options, path });
  }

  protected path(count: number): string {
    return this.#steps.toReversed().slice(0, count).map(textOf).join('');
  }

  protected stepsToCycle(): number {
    const met = new Set<object>();
    return this.#containers.toReversed().findIndex((container) => {
      const repeated = met.has(container);
      met.add(container);
      return repeated;
    });
  }
}

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

export class LoneSurrogateError extends SerializeError {
  constructor() {
    super('has a lone surrogate');
  }
}

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

function shorten(path: string): string {
  return path.length <= 300 ? path : `${path.slice(0, 150)} … ${path.slice(-150)}`;
}

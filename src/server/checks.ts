import { types } from 'node:util';
import { OptionError } from '../errors/errors.js';
import { attempt, inspectBriefly } from '../platform/inspect.js';
import { isAtomName, MAX_ATOM_LENGTH } from '../terms/atom.js';

/** Erlang's limit. */
const MAX_ARITY = 255;

/** @param place the option, which the message begins with */
export function refuse(place: string, problem: string, cause?: unknown): OptionError {
  const fields = cause === undefined ? { option: place } : { option: place, cause };
  return new OptionError(`${place}: ${problem}`, fields);
}

export function checkModule(
  value: unknown,
  option: string,
  subject: string,
): asserts value is object {
  if (types.isPromise(value)) {
    throw refuse(option, `${subject} must be an object, not a promise: await the import`);
  }
  const suitable =
    isObject(value) && !Array.isArray(value) && !types.isMap(value) && !types.isSet(value);
  if (!suitable) {
    const given = inspectBriefly(value, 100);
    throw refuse(option, `${subject} must be an object of functions, not ${given}`);
  }
}

export function checkFunction(
  value: unknown,
  option: string,
  subject: string,
): asserts value is (...args: never[]) => unknown {
  if (typeof value !== 'function') {
    const given = inspectBriefly(value, 100);
    throw refuse(option, `${subject} must be a function, not ${given}`);
  }
  if (isClass(value)) {
    throw refuse(
      option,
      `${subject} must be a function, not a class, which cannot be called without new: ` +
        'expose an instance, or name the functions with expose(module, { exports: [...] })',
    );
  }
}

export function isClass(fn: unknown): boolean {
  const source = attempt(() => Function.prototype.toString.call(fn));
  return source !== undefined && /^class\b/.test(source);
}

export function checkArity(
  value: unknown,
  option: string,
  subject: string,
): asserts value is number {
  const valid =
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_ARITY;
  if (!valid) {
    throw new OptionError(
      `${subject} must be an integer from 0 to ${MAX_ARITY}, not ${inspectBriefly(value, 100)}`,
      { option },
    );
  }
}

export function checkName(
  value: unknown,
  option: string,
  subject: string,
): asserts value is string {
  if (!isAtomName(value)) {
    throw refuse(
      option,
      `the name of ${subject} must be a string of 1 to ${MAX_ATOM_LENGTH} characters ` +
        `without lone surrogates, not ${inspectBriefly(value, 100)}`,
    );
  }
}

export function checkOptions(options: unknown, known: readonly [string, ...string[]]): object {
  if (!isObject(options)) {
    throw new OptionError(
      `the options must be an object with ${known[0]}, not ${inspectBriefly(options)}`,
      { option: known[0] },
    );
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      const meant = known.map((each) => `'${each}'`).join(' or ');
      throw new OptionError(`unknown option ${inspectBriefly(name, 100)}; did you mean ${meant}?`, {
        option: name,
      });
    }
  }
  return { __proto__: null, ...options };
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

export function truncatedName(name: unknown): string {
  return typeof name === 'string' && name.length <= 255 ? name : inspectBriefly(name, 100);
}

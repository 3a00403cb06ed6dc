import { OptionError } from '../errors/errors.js';
import { attempt, inspectBriefly } from '../platform/inspect.js';
import { isTuple } from '../terms/tuple.js';

export function checkCall(module: unknown, fn: unknown, args: unknown): void {
  checkName('module', module);
  checkName('function', fn);
  // `Array.isArray` throws for a revoked proxy.
  const isArray = attempt(() => Array.isArray(args)) === true;
  if (!isArray || isTuple(args)) {
    const given = isArray ? 'a tuple' : kindOf(args);
    throw new OptionError(`args must be an array of arguments, such as ['x', 1], not ${given}`, {
      option: 'args',
    });
  }
  const { length } = args as unknown[];
  if (length > 255) {
    throw new OptionError(`a call takes at most 255 args, not ${length}`, { option: 'args' });
  }
}

export function checkName(what: string, name: unknown): void {
  if (typeof name !== 'string' || !name.isWellFormed()) {
    const given = inspectBriefly(name, 100);
    throw new OptionError(`the ${what}'s name must be a string, not ${given}`, { option: what });
  }
  const length = name.length > 255 ? Array.from(name).length : name.length;
  if (length < 1 || length > 255 || name.includes('\0')) {
    throw new OptionError(`the ${what}'s name must have 1 to 255 characters, none of them NUL`, {
      option: what,
    });
  }
}

/** Never shows the value, which may be a secret. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  const type = typeof value;
  return `${type === 'object' ? 'an' : 'a'} ${type}`;
}

import { types } from 'node:util';
import { attempt, inspectBriefly } from '../platform/inspect.js';
import { type Encoder, toTerm } from '../terms/hooks.js';
import { SerializeError } from './serialize-error.js';

export type Hook = () => unknown;

export function hookOf(value: object, encoders: readonly Encoder[] | undefined): Hook | undefined {
  const encoder = encoders?.find((one) => isInstance(value, one.class));
  if (encoder !== undefined) return () => encoder.toTerm(value);
  const method: unknown = (value as { readonly [toTerm]?: unknown })[toTerm];
  return typeof method === 'function'
    ? () => Reflect.apply(method, value, []) as unknown
    : undefined;
}

export function termOf(hook: Hook): unknown {
  try {
    return hook();
  } catch (cause) {
    const message = attempt((): unknown => (cause as Error).message);
    const reason = typeof message === 'string' ? message : inspectBriefly(cause, 200);
    throw new SerializeError(`cannot be encoded because its toTerm threw: ${reason}`, { cause });
  }
}

/** `instanceof` throws for functions without a prototype, such as arrow functions. */
export function isClass(value: unknown): value is Encoder['class'] {
  return typeof value === 'function' && typeof value.prototype === 'object';
}

const builtIns: Readonly<Record<string, (value: unknown) => boolean>> = {
  ArrayBuffer: types.isArrayBuffer,
  DataView: types.isDataView,
  Date: types.isDate,
  Error: types.isNativeError,
  RegExp: types.isRegExp,
  Set: types.isSet,
  TypedArray: types.isTypedArray,
  URL: isBuiltInUrl,
};

export function isBuiltInUrl(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object URL]';
}

function isInstance(value: object, constructor: Encoder['class']): boolean {
  if (value instanceof constructor) return true;
  const { name } = constructor;
  return Object.hasOwn(builtIns, name) && isBuiltIn(constructor, name) && builtIns[name]!(value);
}

function isBuiltIn(constructor: Encoder['class'], name: string): boolean {
  // URL is written in JavaScript, so its source is not native code.
  if (name === 'URL')
    return Object.prototype.toString.call(constructor.prototype) === '[object URL]';
  return Function.prototype.toString.call(constructor).endsWith('{ [native code] }');
}

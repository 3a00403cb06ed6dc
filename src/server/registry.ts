import process from 'node:process';
import { types } from 'node:util';
import type { DecodeOptions } from '../codec/options.js';
import { OptionError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { isPlainObject } from '../platform/realms.js';
import {
  checkArity,
  checkFunction,
  checkModule,
  checkName,
  isClass,
  isObject,
  truncatedName,
} from './checks.js';
import { functionMark, type ModuleMark, moduleMark } from './expose.js';

/**
 * The modules to expose, by name, as an object or a Map. A module is an object, a
 * namespace (`import * as string from './string.js'`), or what {@link expose} returns.
 */
export type Modules = Readonly<Record<string, object>> | ReadonlyMap<string, object>;

/** A function that can be called. */
export interface RegisteredFunction {
  /** Its place in {@link Registry.functions}. */
  readonly id: number;
  readonly module: string;
  readonly name: string;
  /** How many arguments it takes, 0 to 255. */
  readonly arity: number;
  /** To be called with `this` undefined. */
  readonly fn: (...args: never[]) => unknown;
  /** Whether it is given a {@link CallContext} before its arguments. */
  readonly context: boolean;
  /** What binaries become in its arguments; undefined for what the server's option says. */
  readonly binaries: DecodeOptions['binaries'];
}

/** The functions that a server exposes, as they were when the registry was made. */
export interface Registry {
  /** The names of all modules, also of those without functions. */
  readonly modules: readonly string[];
  /** Modules that only some callers may call, with the names of these. */
  readonly callers: readonly (readonly [module: string, callers: readonly string[]])[];
  readonly functions: readonly RegisteredFunction[];
  /** @throws RangeError when there is no function of that id */
  byId(id: number): RegisteredFunction;
}

/** Functions that Erlang's and Elixir's compilers and backwater itself put into modules. */
const NEVER_EXPOSED: readonly string[] = [
  'module_info/0',
  'module_info/1',
  'behaviour_info/1',
  '__info__/1',
  'backwater_export/0',
];

/**
 * All functions of the modules, as they are now: later changes of the objects change nothing.
 *
 * Refused, since each would be a surprise at the first call: properties that are not functions, getters,
 * classes, names that cannot be atoms, more than 255 parameters, and functions that backwater never exposes
 * (`module_info/0` and `/1`, `behaviour_info/1`, `__info__/1`, `backwater_export/0`).
 *
 * Passed over: what a namespace exports besides functions, classes included; keys that are symbols; and, unless
 * {@link expose} names them, properties that are inherited or not enumerable.
 *
 * @throws {@link OptionError} naming the module and the property
 */
export function createRegistry(modules: Modules): Registry {
  const names: string[] = [];
  const callers: [string, readonly string[]][] = [];
  const functions: RegisteredFunction[] = [];
  for (const [module, value] of moduleEntries(modules)) {
    const option = `modules.${truncatedName(module)}`;
    checkName(module, 'modules', 'a module');
    names.push(module);
    const exposed = exposedModule(value, option);
    if (exposed?.callers !== undefined) callers.push([module, exposed.callers]);
    for (const entry of functionsOf(value, option)) {
      functions.push(Object.freeze({ id: functions.length, module, ...entry }));
    }
  }
  return Object.freeze({
    modules: Object.freeze(names),
    callers: Object.freeze(callers),
    functions: Object.freeze(functions),
    byId(id: number): RegisteredFunction {
      const found = functions[id];
      if (found === undefined) throw new RangeError(`no function has the id ${id}`);
      return found;
    },
  });
}

function moduleEntries(modules: unknown): [string, unknown][] {
  if (types.isMap(modules)) return Array.from(modules) as [string, unknown][];
  if (!isObject(modules) || Array.isArray(modules)) {
    throw new OptionError(`modules are an object or a Map, not ${inspectBriefly(modules, 100)}`, {
      option: 'modules',
    });
  }
  return ownEntries(modules, 'modules');
}

function exposedModule(value: unknown, option: string): ModuleMark | undefined {
  return isObject(value) ? moduleMark(value, option) : undefined;
}

type FunctionEntry = Omit<RegisteredFunction, 'id' | 'module'>;

function functionsOf(value: unknown, option: string): FunctionEntry[] {
  const exposed = exposedModule(value, option);
  const module = exposed?.module ?? value;
  checkModule(module, option, 'a module');
  if (exposed?.exports !== undefined) {
    return exposed.exports.flatMap((name) => {
      const place = `${option}.${truncatedName(name)}`;
      const fn = namedProperty(module, name, place);
      checkFunction(fn, place, 'what a module exposes');
      return entriesOfFunction(name, fn, place).map((entry) => bound(entry, module));
    });
  }
  const isLoose = isNamespace(module);
  const entries = ownEntries(module, option, isLoose);
  if (entries.length === 0) warnOfInherited(module, option);
  return entries.flatMap(([name, fn]): FunctionEntry[] => {
    if (isLoose && (typeof fn !== 'function' || isClass(fn))) return [];
    const place = `${option}.${truncatedName(name)}`;
    checkName(name, place, 'a function');
    checkFunction(fn, place, 'what a module exposes');
    return entriesOfFunction(name, fn, place);
  });
}

/** A function as a method of its module. Nothing is `this` to the functions of a namespace. */
function bound(entry: FunctionEntry, module: object): FunctionEntry {
  return isNamespace(module) ? entry : { ...entry, fn: entry.fn.bind(module) };
}

/** Whether an object is what `import * as` gives, also where that is compiled to `require`. */
function isNamespace(module: object): boolean {
  return types.isModuleNamespaceObject(module) || isCompiledNamespace(module);
}

function isCompiledNamespace(module: object): boolean {
  return Object.getOwnPropertyDescriptor(module, '__esModule')?.value === true;
}

/** Whoever exposes an instance of a class means its methods, which are all inherited. */
function warnOfInherited(module: object, option: string): void {
  const prototype: unknown = Object.getPrototypeOf(module);
  if (!isObject(prototype) || isPlainObject(module)) return;
  process.emitWarning(
    `${option} exposes nothing: it has no functions of its own, and what it inherits can only be called by name, as in expose(instance, { exports: ['find'] })`,
    { type: 'BackwaterWarning', code: 'BACKWATER_NOTHING_EXPOSED' },
  );
}

function entriesOfFunction(
  name: string,
  value: (...args: never[]) => unknown,
  place: string,
): FunctionEntry[] {
  const plain = { fn: value, arities: [value.length], context: false, binaries: undefined };
  const { fn, arities, context, binaries } = functionMark(value, place) ?? plain;
  return arities.map((arity) => {
    checkArity(arity, place, `the number of parameters of ${place}`);
    if (NEVER_EXPOSED.includes(`${name}/${arity}`)) {
      throw new OptionError(`${place}: ${name}/${arity} is never exposed: choose another name`, {
        option: place,
      });
    }
    return { name, fn, arity, context, binaries };
  });
}

/** The own enumerable properties whose keys are strings. Getters are called for re-exports alone. */
function ownEntries(object: object, option: string, isLoose = false): [string, unknown][] {
  return Object.keys(object).map((name) => {
    const place = `${option}.${truncatedName(name)}`;
    const property = descriptor(object, name, place);
    if (isLoose) return [name, (object as Record<string, unknown>)[name]];
    return [name, valueOf(property, place)];
  });
}

/** The value of a property of an instance or of its class, but not of what every object inherits. */
function namedProperty(object: object, name: string, place: string): unknown {
  for (const holder of prototypesOf(object)) {
    const property = descriptor(holder, name, place);
    if (property === undefined) continue;
    // Every class has a constructor, and `__proto__` is an accessor.
    if (holder !== object && name === 'constructor') break;
    return isNamespace(holder)
      ? (holder as Record<string, unknown>)[name]
      : valueOf(property, place);
  }
  const hint = name.startsWith('#') ? ': private methods cannot be called' : '';
  throw new OptionError(`${place}: there is no function of that name${hint}`, { option: place });
}

/** An object, and what it inherits from except for the `Object.prototype` of some realm. */
function prototypesOf(object: object): object[] {
  const chain: object[] = [];
  let next: object | null = object;
  // Proxies can make a chain endless.
  for (let count = 0; next !== null && count < 100; count++) {
    const prototype = Object.getPrototypeOf(next) as object | null;
    if (next === object || prototype !== null) chain.push(next);
    next = prototype;
  }
  return chain;
}

function valueOf(property: PropertyDescriptor | undefined, place: string): unknown {
  if (property !== undefined && Object.hasOwn(property, 'value')) return property.value;
  throw new OptionError(
    `${place}: the property is a getter, which is not called: make it a value`,
    { option: place },
  );
}

function descriptor(object: object, name: string, place: string): PropertyDescriptor | undefined {
  try {
    return Object.getOwnPropertyDescriptor(object, name);
  } catch (cause) {
    // Of a namespace whose module is still being evaluated.
    throw new OptionError(`${place}: the export is not initialised yet (a circular import?)`, {
      option: place,
      cause,
    });
  }
}

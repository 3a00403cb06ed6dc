import process from 'node:process';
import { types } from 'node:util';
import type { DecodeOptions } from '../codec/options.js';
import { OptionError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { prototypesOf } from '../platform/own-properties.js';
import { isPlainObject } from '../platform/realms.js';
import {
  checkArity,
  checkFunction,
  checkModule,
  checkName,
  isClass,
  isObject,
  refuse,
  truncatedName,
} from './checks.js';
import { functionMark, type ModuleMark, moduleMark } from './expose.js';

/**
 * The modules to expose by name: objects, namespaces (`import * as`), or results of {@link expose}.
 */
export type Modules = Readonly<Record<string, object>> | ReadonlyMap<string, object>;

export interface RegisteredFunction {
  /** The index in {@link Registry.functions}. */
  readonly id: number;
  readonly module: string;
  readonly name: string;
  readonly arity: number;
  /** `this` is undefined. */
  readonly fn: (...args: never[]) => unknown;
  readonly context: boolean;
  /** Undefined if the server's option applies. */
  readonly binaries: DecodeOptions['binaries'];
}

export interface Registry {
  /** Includes modules without functions. */
  readonly modules: readonly string[];
  readonly callers: readonly (readonly [module: string, callers: readonly string[]])[];
  readonly functions: readonly RegisteredFunction[];
}

/** Erlang's and Elixir's compilers and backwater itself put these into modules. */
const NEVER_EXPOSED: readonly string[] = [
  'module_info/0',
  'module_info/1',
  'behaviour_info/1',
  '__info__/1',
  'backwater_export/0',
];

/**
 * Refuses what would surprise at the first call, such as getters and classes. Ignores other exports of
 * namespaces, symbols, and inherited or non-enumerable properties that {@link expose} does not name.
 */
export function createRegistry(modules: Modules): Registry {
  const names: string[] = [];
  const callers: [string, readonly string[]][] = [];
  const functions: RegisteredFunction[] = [];
  for (const [module, value] of moduleEntries(modules)) {
    const option = `modules.${truncatedName(module)}`;
    checkName(module, 'modules', 'a module');
    names.push(module);
    const exposed = isObject(value) ? moduleMark(value, option) : undefined;
    if (exposed?.callers !== undefined) callers.push([module, exposed.callers]);
    for (const entry of functionsOf(exposed?.module ?? value, exposed?.exports, option)) {
      functions.push(Object.freeze({ id: functions.length, module, ...entry }));
    }
  }
  return Object.freeze({
    modules: Object.freeze(names),
    callers: Object.freeze(callers),
    functions: Object.freeze(functions),
  });
}

function moduleEntries(modules: unknown): [string, unknown][] {
  if (types.isMap(modules)) return Array.from(modules) as [string, unknown][];
  if (!isObject(modules) || Array.isArray(modules)) {
    const given = inspectBriefly(modules, 100);
    throw new OptionError(`modules must be an object or a Map, not ${given}`, {
      option: 'modules',
    });
  }
  return ownEntries(modules, 'modules');
}

type FunctionEntry = Omit<RegisteredFunction, 'id' | 'module'>;

function functionsOf(
  module: unknown,
  exports: ModuleMark['exports'],
  option: string,
): FunctionEntry[] {
  checkModule(module, option, 'a module');
  if (exports !== undefined) {
    return exports.flatMap((name) => {
      const place = `${option}.${truncatedName(name)}`;
      const fn = namedProperty(module, name, place);
      checkFunction(fn, place, 'an exposed property');
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
    checkFunction(fn, place, 'an exposed property');
    return entriesOfFunction(name, fn, place);
  });
}

/** Functions of a namespace get no `this`. */
function bound(entry: FunctionEntry, module: object): FunctionEntry {
  return isNamespace(module) ? entry : { ...entry, fn: entry.fn.bind(module) };
}

/** Also true for an `import * as` that was compiled to `require`. */
function isNamespace(module: object): boolean {
  return types.isModuleNamespaceObject(module) || isCompiledNamespace(module);
}

function isCompiledNamespace(module: object): boolean {
  return Object.getOwnPropertyDescriptor(module, '__esModule')?.value === true;
}

/** The methods of an instance are inherited, so they need {@link expose}. */
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
      throw refuse(place, `${name}/${arity} is never exposed: choose another name`);
    }
    return { name, fn, arity, context, binaries };
  });
}

/** Calls getters only for re-exports. */
function ownEntries(object: object, option: string, isLoose = false): [string, unknown][] {
  return Object.keys(object).map((name) => {
    const place = `${option}.${truncatedName(name)}`;
    const property = descriptor(object, name, place);
    if (isLoose) return [name, (object as Record<string, unknown>)[name]];
    return [name, valueOf(property, place)];
  });
}

function namedProperty(object: object, name: string, place: string): unknown {
  for (const holder of prototypesOf(object)) {
    // Without the `Object.prototype` of any realm.
    if (holder !== object && Object.getPrototypeOf(holder) === null) break;
    const property = descriptor(holder, name, place);
    if (property === undefined) continue;
    // Every class has a constructor, and `__proto__` is an accessor.
    if (holder !== object && name === 'constructor') break;
    return isNamespace(holder)
      ? (holder as Record<string, unknown>)[name]
      : valueOf(property, place);
  }
  const hint = name.startsWith('#') ? ': private methods cannot be called' : '';
  throw refuse(place, `there is no function of that name${hint}`);
}

function valueOf(property: PropertyDescriptor | undefined, place: string): unknown {
  if (property !== undefined && Object.hasOwn(property, 'value')) return property.value;
  throw refuse(place, 'the property is a getter, which is never called: make it a value');
}

function descriptor(object: object, name: string, place: string): PropertyDescriptor | undefined {
  try {
    return Object.getOwnPropertyDescriptor(object, name);
  } catch (cause) {
    // The module of the namespace is still being evaluated.
    throw refuse(place, 'the export is not initialised yet (a circular import?)', cause);
  }
}

import { types } from 'node:util';
import { defineHidden } from '../platform/brands.js';
import type { CallContext } from './context.js';
import { OptionError } from '../errors/errors.js';
import { attempt, inspectBriefly } from '../platform/inspect.js';
import { isPlainObject } from '../platform/realms.js';
import { binaries, type DecodeOptions } from '../codec/options.js';

/**
 * What can be called: module name → its functions, as an object or a Map. A module is an object, a
 * namespace (`import * as string from './string.js'`), or what {@link expose} returns.
 */
export type Modules = Readonly<Record<string, object>> | ReadonlyMap<string, object>;

/** What {@link expose} is told. */
export interface ExposeOptions<Name extends string = string> {
  /** The names of the functions that can be called; those of everything else cannot. */
  readonly exports: readonly Name[];
}

/** What {@link expose.fn} is told. */
export interface ExposeFunctionOptions {
  /**
   * The numbers of arguments that the function may be called with: 0 to 255 each. Default: the number of
   * parameters that the function has.
   */
  readonly arity?: number | readonly number[] | undefined;
  /** What binaries become in the arguments of this function. Default: what the server's option says. */
  readonly binaries?: DecodeOptions['binaries'];
}

/** What {@link expose.fn} is told of a function that wants to know about its calls. */
export interface ExposeContextOptions {
  /** Whether the function is given a {@link CallContext} before its arguments. */
  readonly context: true;
  /**
   * The numbers of arguments that callers give, the context not counted: 0 to 255 each. By default one
   * less than the function has parameters.
   */
  readonly arity?: number | readonly number[] | undefined;
  /** What binaries become in the arguments of this function. Default: what the server's option says. */
  readonly binaries?: DecodeOptions['binaries'];
}

declare const takesContext: unique symbol;

/** A function that is given a {@link CallContext} before the arguments of its callers. */
export type ContextFunction<Args extends readonly unknown[] = never[], Result = unknown> = ((
  context: CallContext,
  ...args: Args
) => Result) & {
  /** For types alone: no object has it. */
  readonly [takesContext]: true;
};

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

/** All that can be called on a server, as it was when the registry was made. */
export interface Registry {
  /** The names of all modules, also of those without functions. */
  readonly modules: readonly string[];
  readonly functions: readonly RegisteredFunction[];
  /** @throws RangeError when there is no function of that id */
  byId(id: number): RegisteredFunction;
}

const MAX_ARITY = 255;
/** Names become atoms, which have at most so many characters. */
const MAX_NAME_LENGTH = 255;
/** Functions that Erlang's and Elixir's compilers and backwater itself put into modules. */
const NEVER_EXPOSED: readonly string[] = [
  'module_info/0',
  'module_info/1',
  'behaviour_info/1',
  '__info__/1',
  'backwater_export/0',
];

/** Marks what {@link expose} and {@link expose.fn} return, for other copies of this library as well. */
const EXPOSED = Symbol.for('backwater.exposed');

/** A module of which only some functions can be called: the mark of what {@link expose} returns. */
interface ExposedModule {
  readonly module: object;
  readonly exports: readonly string[];
}

/** The function and its arities: the mark of what {@link expose.fn} returns. */
interface ExposedFunction {
  readonly fn: (...args: never[]) => unknown;
  readonly arities: readonly number[];
  readonly context: boolean;
  readonly binaries: DecodeOptions['binaries'];
}

const MODULE_MARK = ['module', 'exports'] as const;
const FUNCTION_MARK = ['fn', 'arities', 'context', 'binaries'] as const;

function mark<T extends object>(value: T, exposed: ExposedModule | ExposedFunction): T {
  defineHidden(value, EXPOSED, Object.freeze(exposed));
  return value;
}

/**
 * The mark that a value itself has; an inherited one does not count.
 *
 * @throws {@link OptionError} when another version of this library has made a mark that says more than this
 * one understands, since ignoring that could expose too much
 */
function markOf<Mark>(
  value: object,
  known: readonly (keyof Mark & string)[],
  option: string,
): Mark | undefined {
  const found: unknown = Object.getOwnPropertyDescriptor(value, EXPOSED)?.value;
  if (found === undefined) return undefined;
  const fields = isObject(found) ? Object.keys(found) : [];
  if (fields.length !== known.length || !known.every((field) => fields.includes(field))) {
    throw new OptionError(
      `${option}: another version of backwater has exposed it in a way that this version does not ` +
        'understand: use the same version for expose and for the server',
      { option },
    );
  }
  return found as Mark;
}

/**
 * A module of which only the named functions can be called.
 *
 * Without it, all own enumerable functions of an object can be called, and anything else among its
 * properties is an error; of a module namespace, all exported functions. What is inherited never can
 * be called.
 *
 * @throws {@link OptionError} when `module` is no object or `exports` no list of names
 * @example
 * ```ts
 * import { expose, startClearServer } from 'backwater';
 * const math = { add: (a: number, b: number) => a + b, secretOfLife: () => 42 };
 * await startClearServer(process.env.SECRET!, { math: expose(math, { exports: ['add'] }) });
 * ```
 */
export function expose<Module extends object>(
  module: Module,
  options: ExposeOptions<Extract<keyof Module, string>>,
): object {
  checkModule(module, 'module', 'what expose takes');
  const { exports } = checkOptions(options, ['exports']) as { exports: unknown };
  if (!Array.isArray(exports)) {
    throw new OptionError(
      `option 'exports' takes a list of names, not ${inspectBriefly(exports, 100)}`,
      { option: 'exports' },
    );
  }
  const names = new Set<string>();
  for (const name of Array.from<unknown>(exports)) {
    checkName(name, 'exports', 'a function');
    names.add(name);
  }
  return Object.freeze(mark({}, { module, exports: Object.freeze([...names]) }));
}

/**
 * Says more about a function than its source does. `arity` lists the numbers of arguments that callers may
 * give, since `length` leaves out optional and rest parameters. With `context: true` the function gets a
 * {@link CallContext} before its arguments. `binaries` says what binaries become in its arguments. The result
 * behaves like the function itself.
 *
 * @throws {@link OptionError} when `fn` is not a function, or an option takes something else
 * @example
 * ```ts
 * import { expose } from 'backwater';
 * const greet = expose.fn((name: string, greeting = 'hello') => `${greeting}, ${name}`, {
 *   arity: [1, 2],
 * });
 * ```
 */
expose.fn = exposeFunction;

function exposeFunction<Args extends unknown[], Result>(
  fn: (context: CallContext, ...args: Args) => Result,
  options: ExposeContextOptions,
): ContextFunction<Args, Result>;
function exposeFunction<Fn extends AnyFunction>(fn: Fn, options: ExposeFunctionOptions): Fn;
function exposeFunction(
  fn: AnyFunction,
  options: ExposeFunctionOptions | ExposeContextOptions,
): AnyFunction {
  checkFunction(fn, 'fn', 'what expose.fn takes');
  const given = checkOptions(options, ['arity', 'context', 'binaries']) as Record<string, unknown>;
  const { context = false } = given;
  if (typeof context !== 'boolean') {
    const text = inspectBriefly(context, 100);
    throw new OptionError(`option 'context' takes true or false, not ${text}`, {
      option: 'context',
    });
  }
  const own = given['binaries'];
  if (own !== undefined && !binaries.accepts(own)) {
    throw new OptionError(
      `option 'binaries' takes ${binaries.takes}, not ${inspectBriefly(own, 100)}`,
      { option: 'binaries' },
    );
  }
  const { arity = context ? Math.max(0, fn.length - 1) : fn.length } = given;
  const arities = [...new Set(Array.isArray(arity) ? Array.from<unknown>(arity) : [arity])];
  if (arities.length === 0) {
    throw new OptionError("option 'arity' takes at least one arity, not an empty list", {
      option: 'arity',
    });
  }
  for (const each of arities) checkArity(each, 'arity', "option 'arity'");
  // A function of its own, so that `fn` can be exposed with other arities as well.
  const wrapper = function (this: unknown, ...args: never[]): unknown {
    return Reflect.apply(fn, this, args) as unknown;
  };
  for (const key of ['name', 'length'] as const) {
    defineHidden(wrapper, key, fn[key]);
  }
  return mark(wrapper, { fn, arities: Object.freeze(arities as number[]), context, binaries: own });
}

/** Any function; the parameters of one that is written in place are whatever it makes of them. */
type AnyFunction = (...args: any[]) => unknown;

/**
 * All functions of the modules, as they are now: later changes of the objects change nothing.
 *
 * Refused rather than passed over, since each would be a surprise at the first call: properties that
 * are no functions (but exports of a namespace that are none are passed over), getters, classes,
 * names that are no atoms, more than 255 parameters, and functions that backwater never exposes
 * (`module_info/0` and `/1`, `behaviour_info/1`, `__info__/1`, `backwater_export/0`). Keys that are
 * symbols, inherited properties and those that are not enumerable are passed over.
 *
 * @throws {@link OptionError} naming the module and the property
 */
export function createRegistry(modules: Modules): Registry {
  const names: string[] = [];
  const functions: RegisteredFunction[] = [];
  for (const [module, value] of moduleEntries(modules)) {
    const option = `modules.${truncatedName(module)}`;
    checkName(module, 'modules', 'a module');
    names.push(module);
    for (const entry of functionsOf(value, option)) {
      functions.push(Object.freeze({ id: functions.length, module, ...entry }));
    }
  }
  return Object.freeze({
    modules: Object.freeze(names),
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

type FunctionEntry = Omit<RegisteredFunction, 'id' | 'module'>;

function functionsOf(value: unknown, option: string): FunctionEntry[] {
  const exposed = isObject(value) ? markOf<ExposedModule>(value, MODULE_MARK, option) : undefined;
  const module = exposed?.module ?? value;
  checkModule(module, option, 'a module');
  const entries = ownEntries(module, option, exposed?.exports);
  const tolerant = exposed === undefined && types.isModuleNamespaceObject(module);
  if (entries.length === 0) warnOfInherited(module, option);
  return entries.flatMap(([name, fn]): FunctionEntry[] => {
    if (tolerant && typeof fn !== 'function') return [];
    const place = `${option}.${truncatedName(name)}`;
    checkName(name, place, 'a function');
    checkFunction(fn, place, 'what a module exposes');
    return entriesOfFunction(name, fn, place);
  });
}

/** Whoever exposes an instance of a class means its methods, which are all inherited. */
function warnOfInherited(module: object, option: string): void {
  const prototype: unknown = Object.getPrototypeOf(module);
  if (!isObject(prototype) || isPlainObject(module)) return;
  process.emitWarning(
    `${option} exposes nothing: it has no functions of its own, and what it inherits cannot be called; name what can be, as in { find: (id) => it.find(id) }`,
    { type: 'BackwaterWarning', code: 'BACKWATER_NOTHING_EXPOSED' },
  );
}

function entriesOfFunction(
  name: string,
  value: (...args: never[]) => unknown,
  place: string,
): FunctionEntry[] {
  const plain = { fn: value, arities: [value.length], context: false, binaries: undefined };
  const { fn, arities, context, binaries } =
    markOf<ExposedFunction>(value, FUNCTION_MARK, place) ?? plain;
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

/**
 * The own enumerable properties whose keys are strings; only those of `names`, when given, each of
 * which there has to be.
 */
function ownEntries(
  object: object,
  option: string,
  names: readonly string[] = Object.keys(object),
): [string, unknown][] {
  return names.map((name) => {
    const place = `${option}.${truncatedName(name)}`;
    const property = descriptor(object, name, place);
    if (property === undefined || property.enumerable !== true) {
      throw new OptionError(`${place}: there is no own enumerable property of that name`, {
        option: place,
      });
    }
    if (!Object.hasOwn(property, 'value')) {
      throw new OptionError(
        `${place}: the property is a getter, which is not called: make it a value`,
        {
          option: place,
        },
      );
    }
    return [name, property.value as unknown];
  });
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

function checkModule(value: unknown, option: string, subject: string): asserts value is object {
  if (types.isPromise(value)) {
    throw new OptionError(`${option}: ${subject} is an object, not a promise: await the import`, {
      option,
    });
  }
  const suitable =
    isObject(value) &&
    !Array.isArray(value) &&
    !types.isMap(value) &&
    !types.isSet(value) &&
    !Object.hasOwn(value, EXPOSED);
  if (!suitable) {
    const given = inspectBriefly(value, 100);
    throw new OptionError(`${option}: ${subject} is an object of functions, not ${given}`, {
      option,
    });
  }
}

function checkFunction(
  value: unknown,
  option: string,
  subject: string,
): asserts value is (...args: never[]) => unknown {
  if (typeof value !== 'function') {
    const given = inspectBriefly(value, 100);
    throw new OptionError(`${option}: ${subject} is a function, not ${given}`, { option });
  }
  if (isClass(value)) {
    throw new OptionError(
      `${option}: ${subject} is a function, not a class, which cannot be called without new; ` +
        'name the functions by expose(module, { exports: [...] })',
      { option },
    );
  }
}

function isClass(fn: unknown): boolean {
  const source = attempt(() => Function.prototype.toString.call(fn));
  return source !== undefined && /^class\b/.test(source);
}

function checkArity(value: unknown, option: string, subject: string): asserts value is number {
  const valid =
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_ARITY;
  if (!valid) {
    throw new OptionError(
      `${subject} is an integer from 0 to ${MAX_ARITY}, not ${inspectBriefly(value, 100)}`,
      { option },
    );
  }
}

function checkName(value: unknown, option: string, subject: string): asserts value is string {
  const valid =
    typeof value === 'string' &&
    value !== '' &&
    value.isWellFormed() &&
    (value.length <= MAX_NAME_LENGTH || Array.from(value).length <= MAX_NAME_LENGTH);
  if (!valid) {
    throw new OptionError(
      `${option}: the name of ${subject} is a string of 1 to ${MAX_NAME_LENGTH} characters ` +
        `without lone surrogates, not ${inspectBriefly(value, 100)}`,
      { option },
    );
  }
}

function checkOptions(options: unknown, known: readonly [string, ...string[]]): object {
  if (!isObject(options)) {
    throw new OptionError(
      `the options are an object with ${known[0]}, not ${inspectBriefly(options)}`,
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

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** A name as an error's `option` may have it. */
function truncatedName(name: unknown): string {
  return typeof name === 'string' && name.length <= 255 ? name : inspectBriefly(name, 100);
}

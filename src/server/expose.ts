import { binaries, type DecodeOptions } from '../codec/options.js';
import { OptionError } from '../errors/errors.js';
import { callerName } from '../options/callers.js';
import { defineHidden } from '../platform/brands.js';
import { inspectBriefly } from '../platform/inspect.js';
import {
  checkArity,
  checkFunction,
  checkModule,
  checkName,
  checkOptions,
  isObject,
} from './checks.js';
import type { CallContext } from '../calls/context.js';
import type {
  AnyFunction,
  ContextFunction,
  ExposedAs,
  ExposedModule,
  FunctionName,
  HasFixedLength,
} from './exposed-types.js';
import {
  type ArgsSchema,
  checkSchema,
  lengthOf,
  type SchemaInput,
  type SchemaOutput,
  validated,
} from './schema.js';

/** What {@link expose} is told. */
export interface ExposeOptions<Name extends string = string> {
  /**
   * The names of the functions that can be called, and of the methods: those that an object inherits from its
   * class count as well. Nothing else can be called. Default: as without {@link expose}, which takes `callers`
   * alone.
   */
  readonly exports?: readonly Name[] | undefined;
  /**
   * The names of the callers that may call the module; others get a 403 (`caller_not_allowed`). Names that the
   * server does not have yet can be added by {@link Server.setSecrets}. Default: all callers.
   */
  readonly callers?: readonly string[] | undefined;
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

/** What {@link expose.fn} is told of a function whose arguments are validated. */
export type ExposeSchemaOptions<Schema extends ArgsSchema> = {
  /**
   * A [Standard Schema](https://standardschema.dev) of the list of arguments, such as
   * `z.tuple([z.string(), z.number()])`. The function gets what the schema makes of the arguments.
   */
  readonly args: Schema;
  /** What binaries become in the arguments of this function. Default: what the server's option says. */
  readonly binaries?: DecodeOptions['binaries'];
} & (HasFixedLength<SchemaInput<Schema>> extends true
  ? {
      /** The number of arguments. Default: how many the schema has. */
      readonly arity?: number | readonly number[] | undefined;
    }
  : {
      /** The numbers of arguments: the schema allows several. */
      readonly arity: number | readonly number[];
    });

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

/**
 * A module that only the named callers can call, or of which only the named functions can be called, with `this` being the module: an object, a
 * namespace, or an instance of a class, whose methods may be inherited.
 *
 * Without it, all own enumerable functions of an object can be called, with `this` being undefined, and anything
 * else among its properties is an error; of a module namespace, all exported functions can be called.
 *
 * @throws {@link OptionError} when `module` is not an object, or `exports` or `callers` is not a list of names
 * @example
 * ```ts
 * import { expose, startClearServer } from 'backwater';
 * class Orders {
 *   #found = 0;
 *   find(id: number) {
 *     return { id, found: ++this.#found };
 *   }
 *   reset() {
 *     this.#found = 0;
 *   }
 * }
 * const orders = expose(new Orders(), { exports: ['find'] });
 * await startClearServer(process.env.SECRET!, { orders });
 * ```
 */
export function expose<
  Module extends object,
  Name extends FunctionName<Module> = FunctionName<Module>,
>(module: Module, options: ExposeOptions<Name>): ExposedModule<Pick<Module, Name>> {
  checkModule(module, 'module', 'what expose takes');
  if (Object.hasOwn(module, EXPOSED)) {
    throw new OptionError('module: it has been exposed already', { option: 'module' });
  }
  const given = checkOptions(options, ['exports', 'callers']) as Record<string, unknown>;
  const callers = given['callers'] === undefined ? undefined : callersOf(given['callers']);
  const { exports } = given;
  if (exports === undefined && callers !== undefined) {
    return Object.freeze(mark({}, { module, exports, callers })) as never;
  }
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
  const exposed = mark({}, { module, exports: Object.freeze([...names]), callers });
  return Object.freeze(exposed) as ExposedModule<Pick<Module, Name>>;
}

function callersOf(value: unknown): readonly string[] {
  const names: unknown[] = Array.isArray(value) ? Array.from<unknown>(value) : [];
  const wrong = names.findIndex((name) => !callerName.accepts(name));
  if (names.length > 0 && wrong < 0) return Object.freeze(names as string[]);
  const given = wrong < 0 ? value : names[wrong];
  throw new OptionError(
    `option 'callers' takes a list of at least one caller, each ${callerName.takes}, not ${inspectBriefly(given, 100)}`,
    { option: 'callers' },
  );
}

/**
 * Says more about a function than its source does. `arity` lists the numbers of arguments that callers may
 * give, since `length` leaves out optional and rest parameters. With `context: true` the function gets a
 * {@link CallContext} before its arguments. `args` is a schema that callers' arguments are validated with: if it
 * refuses them, the caller gets an exception whose `remote.data.issues` says why, and the function is not
 * called. `binaries` says what binaries become in its arguments. The result behaves like the function itself.
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

function exposeFunction<Schema extends ArgsSchema, Result>(
  fn: (context: CallContext, ...args: SchemaOutput<Schema>) => Result,
  options: ExposeSchemaOptions<Schema> & { readonly context: true },
): ((context: CallContext, ...args: SchemaOutput<Schema>) => Result) &
  ExposedAs<(...args: SchemaInput<Schema>) => Result>;
function exposeFunction<Schema extends ArgsSchema, Result>(
  fn: (...args: SchemaOutput<Schema>) => Result,
  options: ExposeSchemaOptions<Schema> & { readonly context?: false | undefined },
): ((...args: SchemaOutput<Schema>) => Result) &
  ExposedAs<(...args: SchemaInput<Schema>) => Result>;
function exposeFunction<Args extends unknown[], Result>(
  fn: (context: CallContext, ...args: Args) => Result,
  options: ExposeContextOptions & { readonly args?: undefined },
): ContextFunction<Args, Result>;
function exposeFunction<Fn extends AnyFunction>(
  fn: Fn,
  options: ExposeFunctionOptions & { readonly args?: undefined },
): Fn & ExposedAs<Fn>;
function exposeFunction(fn: AnyFunction, options: object): AnyFunction {
  checkFunction(fn, 'fn', 'what expose.fn takes');
  const given = checkOptions(options, ['arity', 'context', 'binaries', 'args']);
  const { context = false, args: schema } = given as Record<string, unknown>;
  if (typeof context !== 'boolean') {
    const text = inspectBriefly(context, 100);
    throw new OptionError(`option 'context' takes true or false, not ${text}`, {
      option: 'context',
    });
  }
  if (schema !== undefined) checkSchema(schema);
  const { binaries: own } = given as Record<string, unknown>;
  if (own !== undefined && !binaries.accepts(own)) {
    throw new OptionError(
      `option 'binaries' takes ${binaries.takes}, not ${inspectBriefly(own, 100)}`,
      { option: 'binaries' },
    );
  }
  const { arity = arityOf(fn, context, schema) } = given as Record<string, unknown>;
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
  return mark(wrapper, {
    fn: schema === undefined ? fn : validated(fn, schema, context ? 1 : 0),
    arities: Object.freeze(arities as number[]),
    context,
    binaries: own as DecodeOptions['binaries'],
  });
}

/** How many arguments callers give, if nobody says so. */
function arityOf(fn: AnyFunction, context: boolean, schema: ArgsSchema | undefined): number {
  const parameters = context ? Math.max(0, fn.length - 1) : fn.length;
  if (schema === undefined) return parameters;
  const length = lengthOf(schema) ?? parameters;
  // Of rest parameters a function does not know how many there are.
  if (length > 0 || lengthOf(schema) !== undefined) return length;
  throw new OptionError(
    "option 'arity' is needed: neither the schema nor the function says how many arguments there are",
    { option: 'arity' },
  );
}

/** Marks what {@link expose} and {@link expose.fn} return, for other copies of this library as well. */
const EXPOSED = Symbol.for('backwater.exposed');

/** A module of which only some functions can be called: the mark of what {@link expose} returns. */
export interface ModuleMark {
  readonly module: object;
  /** Undefined for all. */
  readonly exports: readonly string[] | undefined;
  /** Undefined for all. */
  readonly callers: readonly string[] | undefined;
}

/** The function and its arities: the mark of what {@link expose.fn} returns. */
export interface FunctionMark {
  readonly fn: (...args: never[]) => unknown;
  readonly arities: readonly number[];
  readonly context: boolean;
  readonly binaries: DecodeOptions['binaries'];
}

const MODULE_FIELDS = ['module', 'exports', 'callers'] as const;
const FUNCTION_FIELDS = ['fn', 'arities', 'context', 'binaries'] as const;

function mark<T extends object>(value: T, exposed: ModuleMark | FunctionMark): T {
  defineHidden(value, EXPOSED, Object.freeze(exposed));
  return value;
}

/** What {@link expose} has said of a module. */
export function moduleMark(value: object, option: string): ModuleMark | undefined {
  return readMark(value, MODULE_FIELDS, option);
}

/** What {@link expose.fn} has said of a function. */
export function functionMark(value: object, option: string): FunctionMark | undefined {
  return readMark(value, FUNCTION_FIELDS, option);
}

/**
 * The mark that a value itself has; an inherited one does not count.
 *
 * @throws {@link OptionError} when another version of this library has made a mark that says more than this
 * one understands, since ignoring that could expose too much
 */
function readMark<Mark>(
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

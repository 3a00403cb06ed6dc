import { binaries, type DecodeOptions } from '../codec/options.js';
import { callerName } from '../options/callers.js';
import { refuseOption } from '../options/table.js';
import { defineHidden } from '../platform/brands.js';
import { inspectBriefly } from '../platform/inspect.js';
import {
  checkArity,
  checkFunction,
  checkModule,
  checkName,
  checkOptions,
  isObject,
  refuse,
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

/** Options of {@link expose}. */
export interface ExposeOptions<Name extends string = string> {
  /**
   * The names of the functions and methods that can be called. Methods may be inherited.
   *
   * Required, unless `callers` is the only option.
   *
   * @defaultValue everything that can be called without `expose`
   */
  readonly exports?: readonly Name[] | undefined;
  /**
   * The names of the callers that may call the module. Others get a 403 (`caller_not_allowed`).
   *
   * Names that the server does not know yet can be added with {@link Server.setSecrets}.
   *
   * @defaultValue all callers
   */
  readonly callers?: readonly string[] | undefined;
}

/** Options of {@link expose.fn}. */
export interface ExposeFunctionOptions {
  /**
   * How many arguments callers may pass, from 0 to 255. The context does not count.
   *
   * @defaultValue the length of the schema, or the number of parameters
   */
  readonly arity?: number | readonly number[] | undefined;
  /**
   * What binaries become in the arguments of this function.
   *
   * @defaultValue the server's
   */
  readonly binaries?: DecodeOptions['binaries'];
}

/** Options of {@link expose.fn} for a function whose arguments are validated. */
export type ExposeSchemaOptions<Schema extends ArgsSchema> = {
  /**
   * A [Standard Schema](https://standardschema.dev) for the list of arguments, such as
   * `z.tuple([z.string()])`. The function receives its output.
   *
   * @defaultValue none
   */
  readonly args: Schema;
} & (HasFixedLength<SchemaInput<Schema>> extends true
  ? {
      /**
       * How many arguments callers may pass.
       *
       * @defaultValue the length of the schema
       */
      readonly arity?: number | readonly number[] | undefined;
    }
  : {
      /** How many arguments callers pass. */
      readonly arity: number | readonly number[];
    }) &
  Pick<ExposeFunctionOptions, 'binaries'>;

/** Options of {@link expose.fn} for a function that receives the context of its calls. */
export interface ExposeContextOptions extends Pick<ExposeFunctionOptions, 'binaries'> {
  /**
   * Whether the function receives a {@link CallContext} before its arguments.
   *
   * @defaultValue false
   */
  readonly context: true;
  /**
   * How many arguments callers may pass, without the context.
   *
   * @defaultValue one less than the function has parameters
   */
  readonly arity?: number | readonly number[] | undefined;
}

/**
 * Exposes the named functions of an object, a namespace or an instance of a class, with the module as `this`;
 * or restricts who may call a module.
 *
 * Without `expose`, callers can call the own enumerable functions of an object, with `this` undefined, or the
 * exported functions of a namespace. Any other property of an object is an error.
 *
 * @throws {@link OptionError} if `module` is not an object, or an option is invalid
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
  checkModule(module, 'module', 'the argument of expose');
  if (Object.hasOwn(module, EXPOSED)) {
    throw refuse('module', 'it is already exposed');
  }
  const given = checkOptions(options, ['exports', 'callers']) as Record<string, unknown>;
  const callers = given['callers'] === undefined ? undefined : callersOf(given['callers']);
  const { exports } = given;
  if (exports === undefined && callers !== undefined) {
    return Object.freeze(mark({}, { module, exports, callers })) as never;
  }
  if (!Array.isArray(exports)) {
    throw refuseOption('exports', `takes a list of names, not ${inspectBriefly(exports, 100)}`);
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
  throw refuseOption(
    'callers',
    `takes a list of at least one caller, each ${callerName.takes}, not ${inspectBriefly(given, 100)}`,
  );
}

/**
 * Exposes a function with options. If a schema refuses the arguments, the function is not called, and the
 * caller gets an exception with `remote.data.issues`. The returned function behaves like `fn`.
 *
 * @throws {@link OptionError} if `fn` is not a function, or an option is invalid
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
  checkFunction(fn, 'fn', 'the argument of expose.fn');
  const given = checkOptions(options, ['arity', 'context', 'binaries', 'args']);
  const { context = false, args: schema } = given as Record<string, unknown>;
  if (typeof context !== 'boolean') {
    const text = inspectBriefly(context, 100);
    throw refuseOption('context', `takes true or false, not ${text}`);
  }
  if (schema !== undefined) checkSchema(schema);
  const { binaries: own } = given as Record<string, unknown>;
  if (own !== undefined && !binaries.accepts(own)) {
    throw refuseOption('binaries', `takes ${binaries.takes}, not ${inspectBriefly(own, 100)}`);
  }
  const { arity = arityOf(fn, context, schema) } = given as Record<string, unknown>;
  const arities = [...new Set(Array.isArray(arity) ? Array.from<unknown>(arity) : [arity])];
  if (arities.length === 0) {
    throw refuseOption('arity', 'takes at least one arity, not an empty list');
  }
  for (const each of arities) checkArity(each, 'arity', "option 'arity'");
  // A new function, so that `fn` can be exposed with other arities as well.
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

function arityOf(fn: AnyFunction, context: boolean, schema: ArgsSchema | undefined): number {
  const parameters = context ? Math.max(0, fn.length - 1) : fn.length;
  if (schema === undefined) return parameters;
  const length = lengthOf(schema) ?? parameters;
  // The length of a function does not count rest parameters.
  if (length > 0 || lengthOf(schema) !== undefined) return length;
  throw refuseOption(
    'arity',
    'is needed: neither the schema nor the function says how many arguments there are',
  );
}

const EXPOSED = Symbol.for('backwater.exposed');

export interface ModuleMark {
  readonly module: object;
  /** Undefined for all. */
  readonly exports: readonly string[] | undefined;
  readonly callers: readonly string[] | undefined;
}

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

export function moduleMark(value: object, option: string): ModuleMark | undefined {
  return readMark(value, MODULE_FIELDS, option);
}

export function functionMark(value: object, option: string): FunctionMark | undefined {
  return readMark(value, FUNCTION_FIELDS, option);
}

/**
 * Ignores inherited marks. Refuses marks of another version with unknown fields, because ignoring them could
 * expose too much.
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
    throw refuse(
      option,
      'it was exposed by another version of backwater, in a way that this version does not ' +
        'understand: use the same version for expose and for the server',
    );
  }
  return found as Mark;
}

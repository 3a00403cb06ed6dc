import { attempt, inspectBriefly, truncate } from '../platform/inspect.js';
import { defineHidden } from '../platform/brands.js';
import { OptionError } from '../errors/errors.js';

/**
 * A schema of version 1 of the [Standard Schema](https://standardschema.dev) specification, which zod, valibot,
 * arktype and others implement.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What libraries that validate with schemas of other libraries use. */
  readonly '~standard': {
    /** The version of the specification. */
    readonly version: 1;
    /** The library that the schema comes from. */
    readonly vendor: string;
    /** Checks a value, and may transform it. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** For types alone: what goes in and what comes out. */
    readonly types?:
      | {
          /** The type before validation. */
          readonly input: Input;
          /** The type after validation. */
          readonly output: Output;
        }
      | undefined;
  };
}

/** What a schema says about a value: the value, or what is wrong with it. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** A problem with a value. */
export interface SchemaIssue {
  /** In words. */
  readonly message: string;
  /** Where: keys and indexes, from the outside in. */
  readonly path?:
    | readonly (
        | PropertyKey
        | {
            /** The key or index. */
            readonly key: PropertyKey;
          }
      )[]
    | undefined;
}

/** A schema of a list of arguments. */
export type ArgsSchema = StandardSchema<any, readonly unknown[]>;

/** The arguments that a schema takes. */
export type SchemaInput<Schema extends ArgsSchema> = ListOf<
  NonNullable<Schema['~standard']['types']>['input']
>;

/** The arguments that a schema makes of those. */
export type SchemaOutput<Schema extends ArgsSchema> = ListOf<
  NonNullable<Schema['~standard']['types']>['output']
>;

type ListOf<Value> = Value extends readonly [...infer Items] ? Items : unknown[];

/** @throws {@link OptionError} unless a value is a schema */
export function checkSchema(value: unknown): asserts value is ArgsSchema {
  const standard = attempt(() => (value as Partial<ArgsSchema>)['~standard']);
  // Schemas of arktype are functions.
  const suitable =
    attempt(() => standard!.version === 1 && typeof standard!.validate === 'function') === true;
  if (suitable) return;
  throw new OptionError(
    `option 'args' takes a Standard Schema of the list of arguments, such as z.tuple([z.string()]), not ${inspectBriefly(value, 100)}`,
    { option: 'args' },
  );
}

/**
 * How many arguments a schema takes, if it is a tuple of zod, valibot or arktype without optional items; the
 * specification has no way to ask.
 */
export function lengthOf(schema: ArgsSchema): number | undefined {
  const { items, def, json } = schema as {
    items?: unknown;
    def?: { items?: unknown };
    json?: { sequence?: { prefix?: unknown } };
  };
  for (const list of [items, attempt(() => def?.items), attempt(() => json?.sequence?.prefix)]) {
    if (Array.isArray(list)) return list.length;
  }
  return undefined;
}

/**
 * A function that validates its arguments, and calls another one with what the schema makes of them.
 *
 * @param unchecked how many arguments come before the caller's
 */
export function validated(
  fn: (...args: never[]) => unknown,
  schema: ArgsSchema,
  unchecked: 0 | 1,
): (...args: never[]) => unknown {
  return function (this: unknown, ...given: never[]): unknown {
    const own = given.slice(0, unchecked);
    const call = (result: SchemaResult<readonly unknown[]>): unknown => {
      const args = [...own, ...valueOf(result)] as never[];
      return Reflect.apply(fn, this, args) as unknown;
    };
    const result = schema['~standard'].validate(given.slice(unchecked));
    return 'then' in result ? Promise.resolve(result).then(call) : call(result);
  };
}

function valueOf(result: SchemaResult<readonly unknown[]>): readonly unknown[] {
  if (result.issues !== undefined && result.issues !== null) {
    throw new InvalidArgumentsError(result.issues);
  }
  if (Array.isArray(result.value)) return result.value;
  const given = inspectBriefly(result.value, 100);
  throw new TypeError(`the schema of the arguments has to make a list of them, not ${given}`);
}

/** The most issues that a caller gets, and the most characters of each. */
const MAX_ISSUES = 50;
const MAX_MESSAGE = 500;

/** What a function with a schema raises for arguments that the schema refuses. */
class InvalidArgumentsError extends Error {
  readonly code = 'invalid_arguments';
  /** For the caller, see `error.remote.data`. */
  readonly data: { readonly issues: readonly CallerIssue[] };

  constructor(issues: readonly SchemaIssue[]) {
    const seen = Array.from(issues).slice(0, MAX_ISSUES).map(issueOf);
    const [first, ...others] = seen;
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    super(first === undefined ? 'the schema refuses them' : `${textOf(first)}${more}`);
    this.data = { issues: seen };
    // It only says where this library is.
    this.stack = `${this.name}: ${this.message}`;
  }
}
defineHidden(InvalidArgumentsError.prototype, 'name', 'InvalidArgumentsError');

/** An issue in the form that callers get, which any language can read. */
interface CallerIssue {
  readonly message: string;
  /** Keys and indexes; the first is the argument's. */
  readonly path: readonly (string | number)[];
}

function issueOf({ message, path = [] }: SchemaIssue): CallerIssue {
  return {
    message: truncate(String(message), MAX_MESSAGE),
    path: Array.from(path, (segment) => {
      const key = typeof segment === 'object' ? segment.key : segment;
      return typeof key === 'number' ? key : truncate(String(key), MAX_MESSAGE);
    }),
  };
}

function textOf({ message, path }: CallerIssue): string {
  const steps = path.map((key) =>
    typeof key === 'string' && /^[A-Za-z_$][\w$]*$/.test(key)
      ? `.${key}`
      : `[${JSON.stringify(key)}]`,
  );
  return `args${steps.join('')}: ${message}`;
}

import { attempt, inspectBriefly, truncate } from '../platform/inspect.js';
import { defineHidden } from '../platform/brands.js';
import { refuseOption } from '../options/table.js';

/** A [Standard Schema](https://standardschema.dev), version 1, such as a schema of zod, valibot or arktype. */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** The interface of the specification. */
  readonly '~standard': {
    /** The version of the specification. */
    readonly version: 1;
    /** The library of the schema. */
    readonly vendor: string;
    /** Checks a value, and may transform it. */
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    /** Exists only in types. */
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

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** A problem with a value. */
export interface SchemaIssue {
  /** A description of the problem. */
  readonly message: string;
  /** Keys and indexes, from the outside in. */
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

export type ArgsSchema = StandardSchema<any, readonly unknown[]>;

export type SchemaInput<Schema extends ArgsSchema> = ListOf<
  NonNullable<Schema['~standard']['types']>['input']
>;

export type SchemaOutput<Schema extends ArgsSchema> = ListOf<
  NonNullable<Schema['~standard']['types']>['output']
>;

type ListOf<Value> = Value extends readonly [...infer Items] ? Items : unknown[];

export function checkSchema(value: unknown): asserts value is ArgsSchema {
  const standard = attempt(() => (value as Partial<ArgsSchema>)['~standard']);
  // Schemas of arktype are functions.
  const suitable =
    attempt(() => standard!.version === 1 && typeof standard!.validate === 'function') === true;
  if (suitable) return;
  throw refuseOption(
    'args',
    `takes a Standard Schema for the list of arguments, such as z.tuple([z.string()]), not ${inspectBriefly(value, 100)}`,
  );
}

/** For tuples of zod, valibot and arktype; the specification has no length. */
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

/** @param unchecked how many arguments precede the caller's */
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
  throw new TypeError(`the schema of the arguments must output a list, not ${given}`);
}

const MAX_ISSUES = 50;
const MAX_MESSAGE = 500;

class InvalidArgumentsError extends Error {
  readonly code = 'invalid_arguments';
  /** For the caller: `error.remote.data`. */
  readonly data: { readonly issues: readonly CallerIssue[] };

  constructor(issues: readonly SchemaIssue[]) {
    const seen = Array.from(issues).slice(0, MAX_ISSUES).map(issueOf);
    const [first, ...others] = seen;
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    super(first === undefined ? 'the schema refuses them' : `${textOf(first)}${more}`);
    this.data = { issues: seen };
    // The frames would only show this library.
    this.stack = `${this.name}: ${this.message}`;
  }
}
defineHidden(InvalidArgumentsError.prototype, 'name', 'InvalidArgumentsError');

interface CallerIssue {
  readonly message: string;
  /** The first is the index of the argument. */
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

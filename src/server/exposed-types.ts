import type { toTerm } from '../terms/hooks.js';
import type { CallContext } from '../calls/context.js';

declare const signature: unique symbol;
declare const functions: unique symbol;

/** The signature of a function from `expose.fn` as callers see it. Exists only in types. */
export interface ExposedAs<Signature> {
  /** The parameters and the result. */
  readonly [signature]: Signature;
}

/** A function that receives a {@link CallContext} before the arguments. */
export type ContextFunction<Args extends readonly unknown[] = never[], Result = unknown> = ((
  context: CallContext,
  ...args: Args
) => Result) &
  ExposedAs<(...args: Args) => Result>;

/** A module from `expose`. */
export interface ExposedModule<Functions = object> {
  /** The functions. Exists only in types. */
  readonly [functions]: Functions;
}

export type AnyFunction = (...args: any[]) => unknown;

export type SignatureOf<Fn> = Fn extends ExposedAs<infer Signature> ? Signature : Fn;

export type FunctionsOf<Module> =
  Module extends ExposedModule<infer Functions> ? Functions : Module;

export type FunctionName<Module> = {
  [Name in keyof Module & string]: Module[Name] extends (...args: never[]) => unknown
    ? Name
    : never;
}[keyof Module & string];

export type HasFixedLength<Args extends readonly unknown[]> =
  IsUnion<Args['length']> extends true ? false : number extends Args['length'] ? false : true;

type IsUnion<Type, Member = Type> = Type extends unknown
  ? [Member] extends [Type]
    ? false
    : true
  : never;

type IsAny<Type> = 0 extends 1 & Type ? true : false;

/**
 * `unknown` for modules that the server accepts, otherwise a sentence that the compiler reports.
 *
 * The compiler cannot tell a namespace, which may export anything, from an object, where every property must
 * be a function. Constants of a namespace are readonly, or have literal types.
 */
export type CheckedModules<Modules, Encoders> = Modules extends
  ReadonlyMap<string, unknown> | { readonly href: string }
  ? unknown
  : { readonly [Name in keyof Modules]: Demand<ModuleProblem<Modules[Name], Encoders>> };

type Demand<Problem> = [Problem] extends [never] ? unknown : Problem;

type ModuleProblem<Module, Encoders> =
  IsAny<Module> extends true
    ? never
    : Module extends ExposedModule<infer Functions>
      ? FunctionProblem<Functions, keyof Functions, Encoders>
      : Module extends (...args: never[]) => unknown
        ? 'a module must be an object of functions, not a function'
        : Module extends PromiseLike<unknown>
          ? 'a module must be an object of functions, not a promise: await the import'
          : Module extends readonly unknown[] | ReadonlyMap<never, unknown> | ReadonlySet<never>
            ? 'a module must be an object of functions'
            : Demanded<{
                readonly [Name in keyof Module & string]: Demand<
                  FunctionProblem<Module, Name, Encoders>
                >;
              }>;

type Demanded<Demands> = { [Name in keyof Demands]: unknown } extends Demands ? never : Demands;

type FunctionProblem<Module, Name extends keyof Module, Encoders> = Name extends unknown
  ? unknown extends Module[Name]
    ? never
    : Module[Name] extends ExposedAs<(...args: never[]) => infer Result>
      ? ResultProblem<Result, Encoders>
      : Module[Name] extends (...args: infer Args) => infer Result
        ? ArgsProblem<Args> | ResultProblem<Result, Encoders>
        : Module[Name] extends object | symbol
          ? never
          : IsReadonly<Module, Name> extends true
            ? never
            : IsConstant<Module[Name]> extends true
              ? never
              : 'every property of a module must be a function: name the functions with expose(module, { exports: [...] })'
  : never;

type IsConstant<Type> = [Type] extends [null | undefined]
  ? false
  : string extends Type
    ? false
    : number extends Type
      ? false
      : bigint extends Type
        ? false
        : boolean extends Type
          ? false
          : undefined extends Type
            ? false
            : true;

type ArgsProblem<Args extends readonly unknown[]> =
  IsAny<Args[number]> extends true
    ? never
    : [Args[number]] extends [never]
      ? never
      : HasFixedLength<Args> extends true
        ? never
        : 'optional and rest parameters need expose.fn(fn, { arity: [...] })';

type ResultProblem<Result, Encoders> = [Extract<Encoders, readonly unknown[]>] extends [never]
  ? [Unencodable<Awaited<Result>>] extends [never]
    ? never
    : `the result has ${Unencodable<Awaited<Result>>}, which needs the option encoders`
  : never;

type Unencodable<Value, Level extends 0[] = []> = Level['length'] extends 4
  ? never
  : IsAny<Value> extends true
    ? never
    : Value extends string | number | bigint | boolean | null | undefined | void | Uint8Array
      ? never
      : Value extends { [toTerm](): unknown }
        ? never
        : Value extends Date
          ? 'a Date'
          : Value extends RegExp
            ? 'a RegExp'
            : Value extends URL
              ? 'a URL'
              : Value extends symbol
                ? 'a symbol'
                : Value extends (...args: never[]) => unknown
                  ? Level extends []
                    ? 'a function'
                    : never
                  : Value extends ReadonlyMap<infer Key, infer Item>
                    ? Unencodable<Key | Item, [...Level, 0]>
                    : Value extends ReadonlySet<unknown>
                      ? 'a Set'
                      : Value extends readonly (infer Item)[]
                        ? Unencodable<Item, [...Level, 0]>
                        : Value extends AsyncIterable<infer Item> | Iterator<infer Item>
                          ? Unencodable<Item, [...Level, 0]>
                          : Value extends object
                            ? {
                                [Key in keyof Value & string]: Unencodable<
                                  Value[Key],
                                  [...Level, 0]
                                >;
                              }[keyof Value & string]
                            : never;

type IsReadonly<Type, Key extends keyof Type> =
  IsSame<{ [Each in Key]: Type[Each] }, { -readonly [Each in Key]: Type[Each] }> extends true
    ? false
    : true;

type IsSame<One, Other> =
  (<Type>() => Type extends One ? 1 : 2) extends <Type>() => Type extends Other ? 1 : 2
    ? true
    : false;

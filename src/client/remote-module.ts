import type { FunctionsOf, SignatureOf } from '../server/exposed-types.js';
import type { TupleMark } from '../terms/tuple.js';
import type { Term } from '../terms/values.js';
import type { RemoteStream } from './item-stream.js';

/** A remote module about which no types are known: any function, with any arguments. */
export type AnyModule = Record<string, (...args: unknown[]) => Term>;

/**
 * The functions of a remote module as the client sees them: each one is asynchronous. `Module` is the type of an
 * object or a namespace, or of what `expose` has returned.
 */
export type RemoteModule<Module> = RemoteFunctions<FunctionsOf<Module>>;

/** The name if calls can reach the property. */
type RemoteName<Functions, Name extends keyof Functions> = Name extends symbol | LocalName
  ? never
  : Functions[Name] extends (...args: never[]) => unknown
    ? Name
    : never;

type RemoteFunctions<Functions> = {
  readonly [Name in keyof Functions as RemoteName<Functions, Name>]: SignatureOf<
    Functions[Name]
  > extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Listed<Awaited<Result>>>
    : never;
};

/** What a call gives: the items of a stream as a list. */
type Listed<Result> = Result extends StreamOf<infer Item> ? Item[] : Result;

type StreamOf<Item> = AsyncIterable<Item> | (Iterator<Item> & Iterable<Item>);

/**
 * The functions of a remote module as streams of their items. A function that returns a list streams the items of
 * the list, any other function its one result.
 */
export type StreamsOf<Module> = StreamFunctions<FunctionsOf<Module>>;

type StreamFunctions<Functions> = {
  readonly [Name in keyof Functions as RemoteName<Functions, Name>]: SignatureOf<
    Functions[Name]
  > extends (...args: infer Args) => infer Result
    ? (...args: Args) => RemoteStream<ItemOf<Awaited<Result>>>
    : never;
};

type ItemOf<Result> =
  Result extends StreamOf<infer Item>
    ? Item
    : Result extends TupleMark
      ? Result
      : Result extends readonly (infer Item)[]
        ? Item
        : Result;

/**
 * Names that are never remote functions, since JavaScript, loggers and test runners ask any object for
 * them, and call what they find. `client.call` reaches functions of these names.
 */
type LocalName = (typeof LOCAL_NAMES)[number] | `${(typeof LOCAL_PREFIXES)[number]}${string}`;

const LOCAL_NAMES = [
  // Of every object.
  'constructor',
  'hasOwnProperty',
  'isPrototypeOf',
  'propertyIsEnumerable',
  'toLocaleString',
  'toString',
  'valueOf',
  // Of promises and for JSON.
  'then',
  'catch',
  'finally',
  'toJSON',
  // Libraries print and compare with them: Sinon, chai, Immutable, Ramda.
  'inspect',
  'equals',
  'hashCode',
  // Jest and Vitest look for matchers and mocks.
  'asymmetricMatch',
  '_isMockFunction',
  // Test runners look for elements of a DOM, also in jQuery.
  'hasAttribute',
  'jquery',
  'nodeName',
  'nodeType',
  'tagName',
  // Pino looks for requests and responses.
  'setHeader',
  'socket',
] as const;

/**
 * `__proto__`, `__esModule`; `$$typeof` of React and Jest; `@@iterator`, `@@__IMMUTABLE_ITERABLE__@@`;
 * `fantasy-land/equals` of Ramda and others.
 */
const LOCAL_PREFIXES = ['__', '$$', '@@', 'fantasy-land/'] as const;

const localNames: ReadonlySet<string> = new Set(LOCAL_NAMES);

function isLocal(name: string): boolean {
  return localNames.has(name) || LOCAL_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Distinguishes modules when they are printed and compared. */
const MODULE = Symbol('module');

/** What answers everything but remote functions: an ordinary object of this class. */
const Target = class RemoteModule {
  readonly [MODULE]: string;

  constructor(name: string) {
    this[MODULE] = name;
  }
};

type RemoteFunction = (...args: unknown[]) => unknown;

/**
 * An object with a method for every function that the module may have. Whatever has been assigned to the
 * object, such as a test's mock, takes precedence.
 */
export function remoteModule(name: string, call: (fn: string, args: unknown[]) => unknown): object {
  const methods = new Map<string, RemoteFunction>();
  return new Proxy<object>(new Target(name), {
    // Keeps traps out that a program has added to Object.prototype.
    __proto__: null,
    get(target: object, property: string | symbol, receiver: unknown): unknown {
      if (typeof property === 'symbol' || isLocal(property) || Object.hasOwn(target, property)) {
        return Reflect.get(target, property, receiver);
      }
      let method = methods.get(property);
      if (method === undefined) {
        method = { [property]: (...args: unknown[]) => call(property, args) }[property]!;
        methods.set(property, method);
      }
      return method;
    },
  } as ProxyHandler<object>);
}

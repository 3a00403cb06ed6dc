import type { FunctionsOf, SignatureOf } from '../server/exposed-types.js';
import type { TupleMark } from '../terms/tuple.js';
import type { Term } from '../terms/values.js';
import type { RemoteStream } from './item-stream.js';

/** A remote module without known types: any function, with any arguments. */
export type AnyModule = Record<string, (...args: unknown[]) => Term>;

/**
 * The functions of a remote module as the client sees them, all asynchronous. `Module` is the type of an
 * object, a namespace or the result of `expose`.
 */
export type RemoteModule<Module> = RemoteFunctions<FunctionsOf<Module>>;

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

type Listed<Result> = Result extends StreamOf<infer Item> ? Item[] : Result;

type StreamOf<Item> = AsyncIterable<Item> | (Iterator<Item> & Iterable<Item>);

/**
 * The functions of a remote module as streams. A list is streamed item by item, any other result as one item.
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

/** Names that JavaScript, loggers and test runners look up on any object, and call. */
type LocalName = (typeof LOCAL_NAMES)[number] | `${(typeof LOCAL_PREFIXES)[number]}${string}`;

const LOCAL_NAMES = [
  // On every object.
  'constructor',
  'hasOwnProperty',
  'isPrototypeOf',
  'propertyIsEnumerable',
  'toLocaleString',
  'toString',
  'valueOf',
  // Promises and JSON.
  'then',
  'catch',
  'finally',
  'toJSON',
  // Printing and comparing: Sinon, chai, Immutable, Ramda.
  'inspect',
  'equals',
  'hashCode',
  // Matchers and mocks: Jest, Vitest.
  'asymmetricMatch',
  '_isMockFunction',
  // DOM elements: test runners, jQuery.
  'hasAttribute',
  'jquery',
  'nodeName',
  'nodeType',
  'tagName',
  // Requests and responses: Pino.
  'setHeader',
  'socket',
] as const;

/**
 * `__proto__`, `__esModule`; `$$typeof` of React and Jest; `@@iterator`; `fantasy-land/equals` of Ramda and
 * others.
 */
const LOCAL_PREFIXES = ['__', '$$', '@@', 'fantasy-land/'] as const;

const localNames: ReadonlySet<string> = new Set(LOCAL_NAMES);

function isLocal(name: string): boolean {
  return localNames.has(name) || LOCAL_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** Distinguishes modules that are printed or compared. */
const MODULE = Symbol('module');

/** Provides every property that is not a remote function. */
const Target = class RemoteModule {
  readonly [MODULE]: string;

  constructor(name: string) {
    this[MODULE] = name;
  }
};

type RemoteFunction = (...args: unknown[]) => unknown;

/** Assigned properties, such as a test's mocks, override remote functions. */
export function remoteModule(name: string, call: (fn: string, args: unknown[]) => unknown): object {
  const methods = new Map<string, RemoteFunction>();
  return new Proxy<object>(new Target(name), {
    // Ignores traps that a program has added to Object.prototype.
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

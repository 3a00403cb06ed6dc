import test from 'ava';
import { type } from 'arktype';
import { expectTypeOf } from 'expect-type';
import * as v from 'valibot';
import { z } from 'zod';
import {
  type Atom,
  Atom as AtomClass,
  atom,
  BackwaterError,
  call,
  type CallError,
  type CallOptions,
  Client,
  type ClientOptions,
  charlistToString,
  ConnectError,
  type DecodeOptions,
  decode,
  decodeResponse,
  encode,
  encodeRequest,
  expose,
  type ExposedModule,
  type Float,
  fromErlang,
  type ImproperList,
  ImproperList as ImproperListClass,
  isRetryable,
  isTuple,
  type Modules,
  type Pid,
  raise,
  RemoteError,
  RemoteException,
  type RemoteModule,
  type RemoteStream,
  type SecureServerOptions,
  type ServerOptions,
  startClearServer,
  startTlsServer,
  type StreamOptions,
  type StreamsOf,
  type Term,
  type ThrownError,
  TimeoutError,
  TlsError,
  toElixir,
  toErlang,
  toTerm,
  type Tuple,
  tuple,
} from '../src/index.js';
import { elixir } from '../src/elixir.js';
import * as terms from '../src/terms.js';
import * as barrel from './support/barrel.js';
import * as namespace from './support/exported.js';

// What users write, and what must not compile. The compiler checks this file; it never runs.

const client = undefined as unknown as Client;
const term = undefined as unknown as Term;

export function tuples(): void {
  expectTypeOf(tuple()).toEqualTypeOf<Tuple<[]>>();
  expectTypeOf(tuple(atom('ok'), 1)).toEqualTypeOf<Tuple<[Atom, number]>>();
  const pair: Tuple<[Atom, string]> = tuple(atom('ok'), 'x');
  expectTypeOf(pair[1]).toBeString();
  expectTypeOf(pair.length).toEqualTypeOf<2>();
  const [tag, text] = pair;
  expectTypeOf(tag).toEqualTypeOf<Atom>();
  expectTypeOf(text).toBeString();
  const asTerm: Term = pair;
  expectTypeOf(asTerm).toExtend<Term>();
  const list: readonly unknown[] = pair;
  expectTypeOf(list).toExtend<readonly unknown[]>();
  // @ts-expect-error
  const wrong: Tuple<[Atom, string]> = [atom('ok'), 'x'];
  // @ts-expect-error
  const other: Tuple<[Atom, string]> = tuple(atom('ok'), 1);
  // @ts-expect-error: tuples do not change
  pair[1] = 'y';
  // @ts-expect-error: tuples do not grow
  pair.push('y');
  void [wrong, other];
}

export function narrowing(): void {
  if (isTuple(term)) expectTypeOf(term).toExtend<Tuple>();
  if (isTuple(term, atom('ok'), 2)) {
    expectTypeOf(term.length).toEqualTypeOf<2>();
    expectTypeOf(term[0]).toExtend<Atom>();
    expectTypeOf(term[1]).toExtend<Term>();
    const [tag, value] = term;
    expectTypeOf(tag).toExtend<Atom>();
    expectTypeOf(value).toExtend<Term>();
  } else if (isTuple(term, atom('error'), 3)) {
    expectTypeOf(term[2]).toExtend<Term>();
  } else {
    expectTypeOf(term).toEqualTypeOf<Term>();
  }
  const anything: unknown = term;
  if (isTuple(anything, atom('ok'), 2)) expectTypeOf(anything[1]).toBeUnknown();
  if (isTuple(anything, atom('rec'), 9)) expectTypeOf(anything[8]).toBeUnknown();
  if (isTuple(anything, atom('ok'))) expectTypeOf(anything[0]).toEqualTypeOf<Atom>();
  // @ts-expect-error
  isTuple(term, atom('ok'), '2');
}

export function unions(result: Tuple<[Atom, number]> | Tuple<[Atom, string, Atom]> | Atom): void {
  if (isTuple(result, atom('ok'), 2)) expectTypeOf(result[1]).toBeNumber();
  // It may still be a pair with another tag.
  else if (isTuple(result, atom('other'), 2)) expectTypeOf(result[1]).toBeNumber();
  else if (isTuple(result, atom('error'), 3)) expectTypeOf(result[1]).toBeString();
}

export function instances(): void {
  expectTypeOf(atom('ok')).toEqualTypeOf<Atom>();
  expectTypeOf(
    new Map([
      [atom('a'), 1],
      [atom('b'), 2],
    ]),
  ).toEqualTypeOf<Map<Atom, number>>();
  expectTypeOf<Float | ImproperList | Pid | null | undefined | bigint>().toExtend<Term>();
  expectTypeOf({ a: [1, 'x', atom('ok')] }).toExtend<Term>();
  // @ts-expect-error
  const date: Term = new Date();
  // @ts-expect-error: atoms are made by atom
  new terms.Atom('ok');
  // @ts-expect-error
  atom(1);
  void date;
}

export function codec(): void {
  expectTypeOf(decode(Buffer.of(131, 97, 1))).toEqualTypeOf<Term>();
  expectTypeOf(encode({ any: 'value' })).toEqualTypeOf<Buffer>();
  expectTypeOf(fromErlang('ok')).toEqualTypeOf<Term>();
  expectTypeOf(toErlang(1)).toBeString();
  expectTypeOf(toElixir(1, { structs: false })).toBeString();
  expectTypeOf<DecodeOptions['terms']>().toEqualTypeOf<'js' | 'exact' | undefined>();
  expectTypeOf(charlistToString(term)).toBeString();
  // @ts-expect-error
  decode(Buffer.of(131, 97, 1), { terms: 'loose' });
  // @ts-expect-error
  encode(1, { objectkeys: 'atom' });
  // @ts-expect-error
  decode('text');
  // @ts-expect-error: Erlang has no structs
  toErlang(1, { structs: false });
  // @ts-expect-error
  fromErlang(Buffer.from('ok'));
}

export async function calls(): Promise<void> {
  expectTypeOf(await client.call('m', 'f', [1])).toEqualTypeOf<Term>();
  expectTypeOf(await client.call<number>('m', 'f', [1])).toBeNumber();
  const found = await client.call<Tuple<[Atom, string]>>('m', 'f');
  expectTypeOf(found[1]).toBeString();
  const tried = await client.tryCall<number>('m', 'f');
  if (tried.ok) expectTypeOf(tried.value).toBeNumber();
  else {
    expectTypeOf(tried.error).toExtend<Error>();
    if (tried.error.code === 'ERR_BACKWATER_TIMEOUT') return;
    expectTypeOf<CallError['code']>().toExtend<string | number | undefined>();
    expectTypeOf<'ERR_BACKWATER_REMOTE'>().toExtend<CallError['code']>();
    if (tried.error instanceof RemoteException) {
      expectTypeOf(tried.error.remote).toEqualTypeOf<ThrownError | undefined>();
      expectTypeOf(tried.error.remote!.cause).toEqualTypeOf<ThrownError | undefined>();
      expectTypeOf(tried.error.remote!.data).toBeUnknown();
      expectTypeOf(tried.error.remote!.code).toEqualTypeOf<string | undefined>();
    }
    expectTypeOf(isRetryable(tried.error, { idempotent: true })).toBeBoolean();
    // @ts-expect-error
    isRetryable(tried.error, { idempotence: true });
  }
  const strings = client.module<{ to_upper(text: string): string }>('string');
  expectTypeOf(await strings.to_upper('x')).toBeString();
  // @ts-expect-error
  await strings.to_lower('x');
  // @ts-expect-error
  await strings.to_upper(1);
  // @ts-expect-error
  await client.call('m', 'f', 1);
  // @ts-expect-error: a secret is needed
  await call({ url: 'localhost' }, 'm', 'f');
  // @ts-expect-error
  await client.call('m', 'f', [], { recvTimeout: '1s' });
}

export async function servers(): Promise<void> {
  const math = { add: (a: number, b: number) => a + b };
  const server = await startClearServer('secret', { math: expose(math, { exports: ['add'] }) });
  expectTypeOf(server.port).toBeNumber();
  expose.fn((...numbers) => numbers.length, { arity: [1, 2] });
  // @ts-expect-error
  expose(math, { exports: ['sub'] });
  // @ts-expect-error
  await startClearServer('secret', {}, { prot: 1 });
  await server.close();
}

interface Order {
  id: number;
  lines: { name: string; price: number }[];
}

export function known(value: Term): string {
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'string') expectTypeOf(value).toBeString();
  if (typeof value === 'bigint') expectTypeOf(value).toBeBigInt();
  if (value instanceof AtomClass) return value.name;
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (value instanceof Map) return `${value.size} keys`;
  if (isTuple(value, atom('error'), 2)) return known(value[1]);
  if (Array.isArray(value)) return value.map((each: Term) => known(each)).join();
  if (value instanceof ImproperListClass) return known(value.tail);
  if (typeof value === 'number') return value.toFixed(2);
  // @ts-expect-error: still unknown
  void value.id;
  return 'something else';
}

export async function callsOfRecords(controller: AbortController): Promise<void> {
  const order: Order = { id: 1, lines: [] };
  const found = await client.call<Order>('orders', 'save', [order] as const);
  expectTypeOf(found.lines[0]!.name).toBeString();
  const ids: readonly number[] = [1, 2];
  await client.call('orders', 'find', [ids, new Map([[1n, Buffer.of(1)]]), null, undefined]);
  await client.call('m', 'f', [], { signal: controller.signal, timeout: Infinity });
  await client.call('m', 'f', [], { signal: AbortSignal.timeout(100) });
  await client.call('m', 'f', [], { signal: AbortSignal.any([controller.signal]) });
  const maybe: number | undefined = undefined;
  await client.call('m', 'f', [], { timeout: maybe });
  const options = { idempotent: true, maxRetries: 2, hedgeDelay: 50 } satisfies CallOptions;
  await client.call('m', 'f', [], options);
  const tried = await client.tryCall<Order>('orders', 'find', [1]);
  // @ts-expect-error
  void tried.value;
  if (!tried.ok && tried.error instanceof RemoteException) {
    expectTypeOf(tried.error.class).toEqualTypeOf<'error' | 'exit' | 'throw'>();
  }
  // @ts-expect-error: not a list of arguments
  await client.call('orders', 'save', order);
  // @ts-expect-error: not a promise
  (await client.call<number>('m', 'f')).then();
  await client.call('m', 'f', [], { signal: undefined as unknown as OldSignal });
  // @ts-expect-error: a controller instead of its signal
  await client.call('m', 'f', [], { signal: controller });
  // @ts-expect-error: options follow the arguments
  await client.call('m', 'f', { timeout: 100 });
  // @ts-expect-error
  await client.call('m', 'f', [], { retries: 1 });
  // @ts-expect-error
  await client.call('m', 'f', [], { idempotent: 'yes' });
  // @ts-expect-error: only for clients
  await client.call('m', 'f', [], { maxConnections: 1 });
  // @ts-expect-error
  await client.call(atom('m'), 'f');
}

export async function modulesOfServers(): Promise<void> {
  const shop = {
    find: (id: number): Order => ({ id, lines: [] }),
    save: async (order: Order): Promise<number> => order.id,
    first: <Value>(values: readonly Value[]): Value | undefined => values[0],
    audit: expose.fn((context, id: number) => `${context.peer.address} ${id}`, { context: true }),
    version: '1',
  };
  const remote = client.module<typeof shop>('shop');
  expectTypeOf(remote.find(1)).toEqualTypeOf<Promise<Order>>();
  expectTypeOf(remote.save({ id: 1, lines: [] })).toEqualTypeOf<Promise<number>>();
  expectTypeOf(await remote.first([1])).toBeUnknown();
  expectTypeOf(await remote.audit(7)).toBeString();
  // @ts-expect-error
  await remote.version();
  // @ts-expect-error: the argument is missing
  await remote.find();
  // @ts-expect-error: an order has lines
  await remote.save({ id: 1 });
  // @ts-expect-error: callers do not give the context
  await remote.audit({}, 7);
  const local = client.module<typeof shop & Local>('shop');
  expectTypeOf(await local.find(1)).toEqualTypeOf<Order>();
  expectTypeOf(await local.equal()).toBeNumber();
  expectTypeOf(local.toString()).toBeString();
  // @ts-expect-error: await
  void local.then;
  // @ts-expect-error: JSON.stringify
  void local.toJSON;
  // @ts-expect-error: old versions of Node
  void local.inspect;
  // @ts-expect-error: two underscores
  void local.__info__;
  // @ts-expect-error: symbols
  void local[Symbol.iterator];
  const any = client.module('Elixir.Shop.Orders');
  expectTypeOf(await any['find']!(1, 'two')).toEqualTypeOf<Term>();
}

/** Polyfills before `reason` and `throwIfAborted`. */
interface OldSignal extends EventTarget {
  readonly aborted: boolean;
  onabort: null | ((event: Event) => void);
}

interface Local {
  then(value: number): number;
  toString(): string;
  toJSON(): string;
  inspect(): string;
  equal(): number;
  __info__(what: string): string;
  [Symbol.iterator](): string;
}

export async function clients(): Promise<void> {
  const options = {
    url: ['https://one:8443', new URL('https://two:8443')],
    secret: [Buffer.alloc(32), 'an older one'],
    tls: { ca: ['ca.pem', Buffer.from('pem')], servername: 'rpc.example' },
    recvTimeout: 1000,
  } satisfies ClientOptions;
  await using several = new Client(options);
  new Client({ url: async () => ['10.0.0.1:8080'], secret: 'x' });
  several.setSecrets(['new', 'old']);
  expectTypeOf(several.stats().pending).toBeNumber();
  // @ts-expect-error
  several.stats().pending = 0;
  // @ts-expect-error
  new Client({ secret: 'x' });
  // @ts-expect-error: possibly undefined
  new Client({ url: 'x', secret: process.env['SECRET'] });
  // @ts-expect-error
  new Client({ url: 'x', secret: 'x', receiveTimeout: 1 });
  // @ts-expect-error
  new Client({ url: 'x', secret: 'x', tls: { cas: 'ca.pem' } });
  // @ts-expect-error
  new Client({ url: 8080, secret: 'x' });
  // @ts-expect-error
  new Client({ url: 'x', secret: 'x', terms: 'erlang' });
  // @ts-expect-error: options are one object
  new Client('http://127.0.0.1:8080', 'secret');
}

export async function moreServers(): Promise<void> {
  const modules = { m: { f: () => 1 } } satisfies Modules;
  const options = {
    host: '::1',
    port: 0,
    health: '/healthz',
    ioThreads: 1,
  } satisfies ServerOptions;
  await using server = await startClearServer('secret', modules, options);
  expectTypeOf(server.url).toBeString();
  await startClearServer('secret', new Map([['m', { f: () => 1 }]]));
  await startClearServer('secret', { namespace, barrel });
  await startClearServer('secret', new URL('./modules.js', import.meta.url), { workers: 2 });
  const secure = await startTlsServer('secret', modules, { tls: { cert: 'c.pem', key: 'k.pem' } });
  await secure.setCertificate({ cert: 'c.pem', key: 'k.pem' });
  // @ts-expect-error: no certificate without TLS
  await server.setCertificate({ cert: 'c.pem', key: 'k.pem' });
  // @ts-expect-error
  await startTlsServer('secret', modules);
  // @ts-expect-error
  await startTlsServer('secret', modules, { tls: { cert: 'c.pem' } });
  // @ts-expect-error: only for startTlsServer
  await startClearServer('secret', modules, { tls: { cert: 'c.pem', key: 'k.pem' } });
  const ofTls: SecureServerOptions = { tls: { cert: 'c.pem', key: 'k.pem' } };
  // @ts-expect-error: the same as a variable
  await startClearServer('secret', modules, ofTls);
  // @ts-expect-error: the secret comes first
  await startClearServer(modules, 'secret');
  // @ts-expect-error: a list of names
  await startClearServer('secret', ['string']);
  // @ts-expect-error: a path instead of a URL
  await startClearServer('secret', './modules.js', { workers: 2 });
  // @ts-expect-error
  await startClearServer('secret', modules, { port: process.env['PORT'] });
  // @ts-expect-error
  await server.close({ timeOut: 1 });
  // @ts-expect-error
  expose.fn(() => 1, { arity: '1' });
  // @ts-expect-error
  expose.fn(() => 1, { binaries: 'text' });
}

export function failures(error: unknown): void {
  if (error instanceof TimeoutError) {
    expectTypeOf(error.times.wait).toBeNumber();
    if (error.phase === 'wait') return;
    // @ts-expect-error
    if (error.phase === 'waiting') return;
  }
  if (error instanceof RemoteError) {
    if (error.status === 'not_found' || error.status === 503) return;
    // @ts-expect-error
    if (error.status === 'notFound') return;
  }
  if (error instanceof ConnectError) expectTypeOf(error.host).toEqualTypeOf<string | undefined>();
  if (error instanceof TlsError) expectTypeOf(error).toExtend<ConnectError>();
  if (error instanceof BackwaterError) expectTypeOf(error.code).toBeString();
}

export async function otherClients(url: string, secret: string): Promise<Term> {
  const request = encodeRequest({ url, secret }, 'm', 'f', [1]);
  const { method, headers, body, requestId } = request;
  const response = await fetch(request.url, { method, headers, body });
  return decodeResponse(
    { secret, requestId },
    {
      status: response.status,
      headers: response.headers,
      body: new Uint8Array(await response.arrayBuffer()),
    },
  );
}

export function otherClientsAreToldWhatTheyUse(url: string, secret: string): void {
  encodeRequest(
    { url: new URL(url), secret: [secret], objectKeys: 'atom', timeout: 100 },
    'm',
    'f',
  );
  encodeRequest({ url, secret }, 'm', 'f', [], { acceptEncoding: 'identity', timeout: 100 });
  encodeRequest({ url, secret, tls: undefined }, 'm', 'f');
  // @ts-expect-error: the other client connects
  encodeRequest({ url, secret, tls: { ca: 'ca.pem' } }, 'm', 'f');
  const target: ClientOptions = { url, secret, tls: { ca: 'ca.pem' } };
  // @ts-expect-error: possibly several servers, or TLS
  encodeRequest(target, 'm', 'f');
  // @ts-expect-error: only one server
  encodeRequest({ url: [url], secret }, 'm', 'f');
  // @ts-expect-error
  encodeRequest({ url, secret }, 'm', 'f', [], { acceptEncoding: 'br' });
  // @ts-expect-error: only for other clients
  new Client({ url, secret, acceptEncoding: 'gzip' });
  const context = { secret, requestId: '' };
  const answer = { status: 200, headers: {}, body: Buffer.of() };
  decodeResponse(context, answer, { terms: 'exact' });
  // @ts-expect-error: the request chooses
  decodeResponse(context, answer, { acceptEncoding: 'gzip' });
  // @ts-expect-error
  decodeResponse(context, { ...answer, body: 'text' });
}

class Shop {
  stock = 3;
  find(id: number): Order {
    return { id, lines: [] };
  }
  order(item: string, count = 1): number {
    return this.reserve(item) * count;
  }
  private reserve(item: string): number {
    return item.length;
  }
}

export function exposedModules(shop: Shop): void {
  const exposed = expose(shop, { exports: ['find'] });
  const remote = client.module<typeof exposed>('shop');
  expectTypeOf(remote).toEqualTypeOf<RemoteModule<typeof exposed>>();
  expectTypeOf(remote.find(1)).toEqualTypeOf<Promise<Order>>();
  expectTypeOf<RemoteModule<Shop>['find']>().toEqualTypeOf<(id: number) => Promise<Order>>();
  // @ts-expect-error: not exposed
  void remote.order;
  // @ts-expect-error: only a server can call it
  exposed.find(1);
  // @ts-expect-error: private
  expose(shop, { exports: ['reserve'] });
  // @ts-expect-error: not a function
  expose(shop, { exports: ['stock'] });
  // @ts-expect-error
  expose(shop, { exports: ['finds'] });
  // @ts-expect-error: a class, not an instance
  expose(Shop, { exports: ['find'] });
  expose(new Map([[1, 2]]), { exports: ['get'] });
  const some = { exports: ['find', 'order'] } satisfies { exports: ('find' | 'order')[] };
  expectTypeOf(expose(shop, some)).toExtend<ExposedModule<Pick<Shop, 'find' | 'order'>>>();
}

export async function modulesThatAreRefused(shop: Shop, modules: Modules): Promise<void> {
  const pass = (...all: number[]): number => all.length;
  await startClearServer('secret', modules);
  await startClearServer('secret', { shop: expose(shop, { exports: ['find'] }) });
  await startClearServer('secret', { math: { pass: expose.fn(pass, { arity: [1, 2] }) } });
  // @ts-expect-error: callers cannot give a count
  await startClearServer('secret', { shop: expose(shop, { exports: ['order'] }) });
  // @ts-expect-error: a rest parameter
  await startClearServer('secret', { math: { pass } });
  // @ts-expect-error: an optional parameter
  await startClearServer('secret', { math: { f: (a?: number) => a } });
  // @ts-expect-error: an optional parameter
  await startTlsServer('secret', { m: { f: (a = 1) => a } }, { tls: { cert: 'c', key: 'k' } });
  // @ts-expect-error
  await startClearServer('secret', { math: { pi: 3 as number } });
  // @ts-expect-error
  await startClearServer('secret', { math: { f: () => 1, version: '1.0' } });
  // @ts-expect-error
  await startClearServer('secret', { math: { f: undefined } });
  // @ts-expect-error
  await startClearServer('secret', { math: { f: undefined as undefined | (() => number) } });
  // @ts-expect-error
  await startClearServer('secret', { math: 1 });
  // @ts-expect-error
  await startClearServer('secret', { math: () => 1 });
  // @ts-expect-error
  await startClearServer('secret', { math: [() => 1] });
  // @ts-expect-error
  await startClearServer('secret', { math: import('./support/exported.js') });
  await startClearServer('secret', { any: undefined as any, f: { f: undefined as any } });
  await startClearServer('secret', { m: { f: undefined as unknown as (...args: any[]) => any } });
  await startClearServer('secret', { m: {} as Record<string, () => number> });
}

interface Tree {
  readonly children: readonly Tree[];
  readonly parent?: Tree;
}

export async function resultsThatAreRefused(): Promise<void> {
  const when = { born: () => new Date() };
  // @ts-expect-error
  await startClearServer('secret', { when });
  // @ts-expect-error: in a promise
  await startClearServer('secret', { when: { born: async () => new Date() } });
  // @ts-expect-error: in a value
  await startClearServer('secret', { when: { born: () => ({ users: [{ born: new Date() }] }) } });
  // @ts-expect-error: possibly a Date
  await startClearServer('secret', { when: { born: (): Date | null => null } });
  const clock = expose({ now: () => new Date() }, { exports: ['now'] });
  // @ts-expect-error: from a method
  await startClearServer('secret', { clock });
  // @ts-expect-error: with another option
  await startClearServer('secret', { when }, { port: 0 });
  // @ts-expect-error: with a context
  await startClearServer('secret', { m: { f: expose.fn((_c) => new Date(), { context: true }) } });
  // @ts-expect-error
  await startClearServer('secret', { m: { f: () => new Set([1]) } });
  // @ts-expect-error
  await startClearServer('secret', { m: { f: () => () => 1 } });
  const { encoders } = elixir();
  await startClearServer('secret', { when }, { encoders });
  await startTlsServer('secret', { when }, { encoders, tls: { cert: 'c', key: 'k' } });
  const options: ServerOptions = { encoders };
  await startClearServer('secret', { when }, options);
  class Money {
    [toTerm]() {
      return 1;
    }
  }
  await startClearServer('secret', {
    fine: {
      money: () => new Money(),
      map: () => new Map([[1n, Buffer.of(1)]]),
      tree: (): Tree => ({ children: [] }),
      term: (value: Term) => value,
      unknown: (value: unknown) => value,
      any: (value: any) => value,
      never: (): never => raise('exit', 1),
      nothing: () => {},
      later: async (): Promise<void> => {},
      tuple: () => tuple(atom('ok'), 1),
      async *stream(count: number) {
        yield count;
      },
      interface: (): Order => ({ id: 1, lines: [] }),
      same: <Value>(value: Value) => value,
    },
  });
}

export function schemas(): void {
  const numbers = z.tuple([z.number(), z.string().transform((text) => text.length)]);
  const fn = expose.fn((a, b) => ({ sum: a + b }), { args: numbers });
  // The function gets the schema's output, callers give its input.
  expectTypeOf(fn).toExtend<(a: number, b: number) => { sum: number }>();
  const remote = undefined as unknown as RemoteModule<{ fn: typeof fn }>;
  expectTypeOf(remote.fn).toEqualTypeOf<(a: number, b: string) => Promise<{ sum: number }>>();
  const known = expose.fn((context, a, b) => `${context.peer.address} ${a + b}`, {
    args: numbers,
    context: true,
  });
  const remoteKnown = undefined as unknown as RemoteModule<{ known: typeof known }>;
  expectTypeOf(remoteKnown.known).toEqualTypeOf<(a: number, b: string) => Promise<string>>();
  const object = v.tuple([v.object({ id: v.pipe(v.string(), v.minLength(1)) })]);
  const found = expose.fn(({ id }) => id, { args: object });
  const remoteFound = undefined as unknown as RemoteModule<{ found: typeof found }>;
  expectTypeOf(remoteFound.found).toEqualTypeOf<(args_0: { id: string }) => Promise<string>>();
  const ark = expose.fn((a, b) => a > b.length, { args: type(['number', 'string']) });
  expectTypeOf(ark).toExtend<(a: number, b: string) => boolean>();
  // @ts-expect-error: the second one is a number
  expose.fn((a: number, b: string) => [a, b], { args: numbers });
  // @ts-expect-error: only two arguments
  expose.fn((a: number, b: number, c: number) => [a, b, c], { args: numbers });
  const several = z.tuple([z.number(), z.string().optional()]);
  expose.fn((a, b) => [a, b], { args: several, arity: [1, 2] });
  // @ts-expect-error: several arities
  expose.fn((a, b) => [a, b], { args: several });
  // @ts-expect-error: any length
  expose.fn((...all) => all.length, { args: z.array(z.number()) });
  // @ts-expect-error: arguments are a list
  expose.fn((a) => a, { args: z.object({ id: z.number() }) });
  // @ts-expect-error
  expose.fn((a) => a, { args: ['number'] });
}

export async function streams(client: Client): Promise<void> {
  interface Log {
    tail(lines: number): AsyncGenerator<string, void, unknown>;
    rows(): AsyncIterable<{ id: number }>;
    later(): Promise<AsyncIterable<bigint>>;
    numbers(): Generator<number, string, undefined>;
    keys(): IterableIterator<string>;
    list(): Promise<readonly boolean[]>;
    pair(): Tuple<[Atom, number]>;
    count(): number;
    find(): string[] | null;
    anything(): any;
    unknown(): unknown;
    term(): Term;
  }
  const called = client.module<Log>('log');
  expectTypeOf(called.tail).toEqualTypeOf<(lines: number) => Promise<string[]>>();
  expectTypeOf(called.rows).toEqualTypeOf<() => Promise<{ id: number }[]>>();
  expectTypeOf(called.later).toEqualTypeOf<() => Promise<bigint[]>>();
  expectTypeOf(called.numbers).toEqualTypeOf<() => Promise<number[]>>();
  expectTypeOf(called.keys).toEqualTypeOf<() => Promise<string[]>>();
  expectTypeOf(called.list).toEqualTypeOf<() => Promise<readonly boolean[]>>();
  expectTypeOf(called.pair).toEqualTypeOf<() => Promise<Tuple<[Atom, number]>>>();
  expectTypeOf(called.find).toEqualTypeOf<() => Promise<string[] | null>>();
  expectTypeOf(called.anything).toEqualTypeOf<() => Promise<any>>();
  expectTypeOf(called.unknown).toEqualTypeOf<() => Promise<unknown>>();
  expectTypeOf(called.term).toEqualTypeOf<() => Promise<Term>>();

  const streamed = client.streams<Log>('log');
  expectTypeOf(streamed).toEqualTypeOf<StreamsOf<Log>>();
  expectTypeOf(streamed.tail).toEqualTypeOf<(lines: number) => RemoteStream<string>>();
  expectTypeOf(streamed.tail(1)).toExtend<AsyncIterable<string>>();
  expectTypeOf(streamed.rows).toEqualTypeOf<() => RemoteStream<{ id: number }>>();
  expectTypeOf(streamed.later).toEqualTypeOf<() => RemoteStream<bigint>>();
  expectTypeOf(streamed.numbers).toEqualTypeOf<() => RemoteStream<number>>();
  expectTypeOf(streamed.keys).toEqualTypeOf<() => RemoteStream<string>>();
  expectTypeOf(streamed.list).toEqualTypeOf<() => RemoteStream<boolean>>();
  expectTypeOf(streamed.pair).toEqualTypeOf<() => RemoteStream<Tuple<[Atom, number]>>>();
  expectTypeOf(streamed.count).toEqualTypeOf<() => RemoteStream<number>>();
  expectTypeOf(streamed.find).toEqualTypeOf<() => RemoteStream<string | null>>();
  expectTypeOf(streamed.anything).toEqualTypeOf<() => RemoteStream<any>>();
  expectTypeOf(streamed.unknown).toEqualTypeOf<() => RemoteStream<unknown>>();
  expectTypeOf(client.with({ timeout: 1 }).streams<Log>('log')).toEqualTypeOf<StreamsOf<Log>>();
  // @ts-expect-error
  streamed.missing();
  // @ts-expect-error
  streamed.tail('1');

  for await (const item of client.stream('log', 'tail', [1])) {
    expectTypeOf(item).toEqualTypeOf<Term>();
  }
  const options: StreamOptions = { idleTimeout: Infinity, timeout: 1000, metadata: { a: 'b' } };
  for await (const line of client.stream<string>('log', 'tail', [1], options)) {
    expectTypeOf(line).toEqualTypeOf<string>();
  }
  // @ts-expect-error: only for streams
  await client.call('log', 'tail', [1], { idleTimeout: 1 });
  await using stream = client.stream<string>('log', 'tail');
  expectTypeOf((await stream.next()).value).toEqualTypeOf<string | undefined>();
}

export function exposedStreams(): void {
  const module = {
    tail: expose.fn(
      async function* (_context, lines: number) {
        yield lines;
      },
      { context: true },
    ),
  };
  expectTypeOf<StreamsOf<typeof module>['tail']>().toEqualTypeOf<
    (lines: number) => RemoteStream<number>
  >();
  expectTypeOf<RemoteModule<typeof module>['tail']>().toEqualTypeOf<
    (lines: number) => Promise<number[]>
  >();
}

test('the compiler has checked the types', (t) => {
  t.pass();
});

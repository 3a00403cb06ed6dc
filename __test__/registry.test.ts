import test from 'ava';
import { OptionError } from '../src/errors/errors.js';
import { expose } from '../src/server/expose.js';
import { createRegistry, type Modules } from '../src/server/registry.js';
import * as namespace from './support/exported.js';

function exposed(modules: Modules): string[] {
  return createRegistry(modules).functions.map((f) => `${f.module}:${f.name}/${f.arity}`);
}

function refused(modules: unknown): OptionError {
  try {
    createRegistry(modules as Modules);
  } catch (error) {
    if (error instanceof OptionError) return error;
    throw error;
  }
  throw new Error('not refused');
}

test('own enumerable functions are exposed by name and parameter count', (t) => {
  const modules = { m: { f: () => 1, g: (a: number, b: number) => a + b }, n: { async h() {} } };
  const registry = createRegistry(modules);
  t.deepEqual(exposed(modules), ['m:f/0', 'm:g/2', 'n:h/0']);
  t.deepEqual(
    registry.functions.map(({ id }) => id),
    [0, 1, 2],
  );
  t.is(registry.functions[1]!.fn, modules.m.g);
});

test('the registry cannot be changed, directly or through the modules', (t) => {
  const f = (): number => 1;
  const modules: Record<string, Record<string, () => number>> = { m: { f } };
  const registry = createRegistry(modules);
  modules['m']!['f'] = () => 2;
  modules['m']!['g'] = () => 3;
  modules['n'] = {};
  t.is(registry.functions[0]!.fn, f);
  t.is(registry.functions.length, 1);
  t.deepEqual(registry.modules, ['m']);
  for (const part of [registry, registry.functions, registry.modules, registry.functions[0]!]) {
    t.true(Object.isFrozen(part));
  }
});

test('modules may be empty', (t) => {
  t.deepEqual(createRegistry({}).modules, []);
  t.deepEqual(createRegistry({ m: {} }).modules, ['m']);
  t.deepEqual(exposed({ m: {} }), []);
});

test('modules may be a Map or an object without a prototype', (t) => {
  t.deepEqual(exposed(new Map([['m', { f: () => 1 }]])), ['m:f/0']);
  const bare = Object.assign(Object.create(null) as object, { f: () => 1 });
  t.deepEqual(exposed({ m: bare }), ['m:f/0']);
  t.is(refused(new Map([[1, {}]])).option, 'modules');
});

test('inherited, non-enumerable and symbol-keyed functions cannot be called', (t) => {
  class Base {
    inherited(): void {}
  }
  class Service extends Base {
    own = (): number => 1;
    method(): void {}
  }
  const module = Object.defineProperty(new Service(), 'hidden', { value: () => 1 });
  t.deepEqual(exposed({ m: Object.assign(module, { [Symbol('s')]: () => 1 }) }), ['m:own/0']);
  const child = Object.create({ inherited: () => 1 }) as object;
  t.deepEqual(exposed({ m: child }), []);
});

test('names of Object.prototype are ordinary names', (t) => {
  const module = { ['__proto__']: () => 1, constructor: () => 2, toString: () => 3 };
  const modules = { ['__proto__']: module, hasOwnProperty: {} };
  t.deepEqual(createRegistry(modules).modules, ['__proto__', 'hasOwnProperty']);
  t.deepEqual(exposed(modules), [
    '__proto__:__proto__/0',
    '__proto__:constructor/0',
    '__proto__:toString/0',
  ]);
});

test('the error for a property that is not a function names the module and property', (t) => {
  for (const value of [1, 'text', undefined, null, {}, [() => 1]]) {
    const error = refused({ m: { f: () => 1, version: value } });
    t.is(error.option, 'modules.m.version');
    t.true(error.message.includes('modules.m.version'));
  }
});

test('a module with only inherited functions causes a warning', async (t) => {
  class Orders {
    find(): void {}
  }
  const warnings: (Error & { code?: string })[] = [];
  // Other tests of this file cause warnings, too.
  const collect = (warning: Error): void => {
    if (/modules\.(orders|none|bare|own)/.test(warning.message)) warnings.push(warning);
  };
  process.on('warning', collect);
  t.teardown(() => process.off('warning', collect));
  t.is(createRegistry({ orders: new Orders() }).functions.length, 0);
  createRegistry({ none: {}, bare: Object.create(null) as object, own: { f: () => 1 } });
  await new Promise(setImmediate);
  t.is(warnings.length, 1);
  t.is(warnings[0]!.code, 'BACKWATER_NOTHING_EXPOSED');
  t.regex(warnings[0]!.message, /^modules\.orders exposes nothing: /);
});

test('getters are refused without being called', (t) => {
  let called = false;
  const error = refused({
    m: {
      get f() {
        called = true;
        return () => 1;
      },
    },
  });
  t.regex(error.message, /modules\.m\.f.*getter/);
  t.is(error.option, 'modules.m.f');
  t.regex(
    refused({
      get m() {
        return {};
      },
    }).message,
    /modules\.m.*getter/,
  );
  t.false(called);
});

test('classes are refused', (t) => {
  class Service {}
  t.regex(refused({ m: { Service } }).message, /class/);
  t.regex(refused({ m: { f: class {} } }).message, /class/);
  t.deepEqual(exposed({ m: { classify() {} } }), ['m:classify/0']);
});

test('modules that are not objects are refused', (t) => {
  for (const module of [1, 'text', null, undefined, [], new Map(), new Set(), () => 1, class {}]) {
    t.is(refused({ m: module }).option, 'modules.m');
  }
  t.regex(refused({ m: Promise.resolve({}) }).message, /await/);
  for (const modules of [null, undefined, 1, 'text', [], () => 1]) {
    t.is(refused(modules).option, 'modules');
  }
});

test('a namespace exposes its functions and skips constants and classes', (t) => {
  t.deepEqual(exposed({ m: namespace }).sort(), ['m:add/2', 'm:default/1', 'm:greet/1']);
});

test('exports can select functions of a namespace', (t) => {
  t.deepEqual(exposed({ m: expose(namespace, { exports: ['add'] }) }), ['m:add/2']);
  const error = refused({ m: expose(namespace, { exports: ['version' as never] }) });
  t.is(error.option, 'modules.m.version');
});

test('exports selects functions, and other properties may be anything', (t) => {
  const module = {
    f: () => 1,
    g: () => 2,
    limit: 3,
    get time() {
      return 4;
    },
  };
  t.deepEqual(exposed({ m: expose(module, { exports: ['g'] }) }), ['m:g/0']);
  t.deepEqual(exposed({ m: expose(module, { exports: ['g', 'f', 'g'] }) }), ['m:g/0', 'm:f/0']);
  t.deepEqual(createRegistry({ m: expose(module, { exports: [] }) }).modules, ['m']);
  t.is(refused({ m: expose(module, { exports: ['limit' as never] }) }).option, 'modules.m.limit');
  t.regex(refused({ m: expose(module, { exports: ['time' as never] }) }).message, /getter/);
});

test('exports can name non-enumerable functions', (t) => {
  t.deepEqual(exposed({ m: expose(Math, { exports: ['sqrt'] }) }), ['m:sqrt/1']);
});

test('a namespace compiled to CommonJS is recognized', (t) => {
  // As TypeScript, Babel and esbuild write it.
  const compiled = Object.defineProperty({}, '__esModule', { value: true });
  Object.assign(compiled, { add: (a: number, b: number) => a + b, version: 1, Greeter: class {} });
  Object.defineProperty(compiled, 'again', { enumerable: true, get: () => (a: number) => a });
  t.deepEqual(exposed({ m: compiled }), ['m:add/2', 'm:again/1']);
  const named = expose(compiled as { again(a: number): number }, { exports: ['again'] });
  t.deepEqual(exposed({ m: named }), ['m:again/1']);
  t.is(refused({ m: Object.assign(Object.create(compiled), { v: 1 }) }).option, 'modules.m.v');
});

class Base {
  inherited(): this {
    return this;
  }
}

class Orders extends Base {
  #found = 0;
  own = (): number => this.#found;
  find(id: number): string {
    return `${id} ${++this.#found}`;
  }
  static make(): Orders {
    return new Orders();
  }
  get total(): number {
    return this.#found;
  }
  #secret(): number {
    return this.#found;
  }
  reveal(): number {
    return this.#secret();
  }
}

test('exported methods of an instance can be called, including inherited ones', (t) => {
  const orders = new Orders();
  const module = expose(orders, { exports: ['find', 'inherited', 'own', 'reveal'] });
  const { functions } = createRegistry({ m: module });
  t.deepEqual(
    functions.map(({ name, arity }) => `${name}/${arity}`),
    ['find/1', 'inherited/0', 'own/0', 'reveal/0'],
  );
  const [find, inherited, own, reveal] = functions.map(({ fn }) => fn as () => unknown);
  t.is((find as (id: number) => string)(7), '7 1');
  t.is(inherited!(), orders);
  t.is(own!(), 1);
  t.is(reveal!.call('something else'), 1);
});

test('methods are bound to their own instance or plain object', (t) => {
  const one = {
    name: 'one',
    get(): string {
      return this.name;
    },
  };
  const two = { name: 'two', get: expose.fn(one.get, { arity: [0, 1] }) };
  const { functions } = createRegistry({
    one: expose(one, { exports: ['get'] }),
    two: expose(two, { exports: ['get'] }),
  });
  t.deepEqual(
    functions.map(({ module, arity, fn }) => [module, arity, (fn as () => unknown)()]),
    [
      ['one', 0, 'one'],
      ['two', 0, 'two'],
      ['two', 1, 'two'],
    ],
  );
});

test('only methods of an instance can be exported, and nothing else is run', (t) => {
  for (const [name, message] of [
    ['missing', /no function of that name/],
    ['constructor', /no function of that name/],
    ['__proto__', /no function of that name/],
    ['toString', /no function of that name/],
    ['hasOwnProperty', /no function of that name/],
    ['make', /no function of that name/],
    ['#secret', /private methods cannot be called/],
    ['total', /getter/],
  ] as const) {
    const module = expose(new Orders(), { exports: [name as never] });
    const error = refused({ m: module });
    t.is(error.option, `modules.m.${name}`);
    t.regex(error.message, message);
  }
  t.throws(() => expose(Orders as never, { exports: [] }), { instanceOf: OptionError });
  const holder = expose({ Orders }, { exports: ['Orders' as never] });
  t.regex(refused({ m: holder }).message, /class/);
});

test('own properties with names of Object.prototype can be exported', (t) => {
  const module = { ['__proto__']: () => 1, constructor: () => 2, toString: () => '3' };
  t.deepEqual(
    exposed({ m: expose(module, { exports: ['__proto__', 'constructor', 'toString'] }) }),
    ['m:__proto__/0', 'm:constructor/0', 'm:toString/0'],
  );
});

test('proxies and endless chains as prototypes are OptionErrors', (t) => {
  const endless: object = new Proxy({}, { getPrototypeOf: () => endless });
  t.is(refused({ m: expose(endless as { f(): void }, { exports: ['f'] }) }).option, 'modules.m.f');
});

test('functions that a program added to Object.prototype cannot be exposed', (t) => {
  const polluted = Object.prototype as { sneaky?: () => number };
  polluted.sneaky = () => 1;
  try {
    const module = expose(new Orders(), { exports: ['sneaky' as never] });
    t.is(refused({ m: module }).option, 'modules.m.sneaky');
  } finally {
    delete polluted.sneaky;
  }
});

test('expose checks its arguments at once', (t) => {
  const module = { f: () => 1 };
  const wrong = (options: unknown): OptionError | undefined =>
    t.throws(() => expose(module, options as never), { instanceOf: OptionError });
  t.is(wrong(undefined)?.option, 'exports');
  t.is(wrong({ exports: 'f' })?.option, 'exports');
  t.is(wrong({ exports: [1] })?.option, 'exports');
  t.is(wrong({ exports: [''] })?.option, 'exports');
  t.is(wrong({ exports: ['f'], export: [] })?.option, 'export');
  t.throws(() => expose(1 as never, { exports: [] }), { instanceOf: OptionError });
  const once = expose(module, { exports: ['f'] });
  t.throws(() => expose(once, { exports: [] }), { instanceOf: OptionError });
});

test('expose.fn sets the accepted numbers of arguments', (t) => {
  const sum = (...all: number[]): number => all.reduce((a, b) => a + b, 0);
  t.deepEqual(exposed({ m: { sum } }), ['m:sum/0']);
  t.deepEqual(exposed({ m: { sum: expose.fn(sum, { arity: 2 }) } }), ['m:sum/2']);
  t.deepEqual(exposed({ m: { sum: expose.fn(sum, { arity: [0, 3, 3] }) } }), [
    'm:sum/0',
    'm:sum/3',
  ]);
  const registry = createRegistry({ m: { sum: expose.fn(sum, { arity: [1, 2] }) } });
  t.is(registry.functions[0]!.fn, sum);
  t.is(registry.functions[1]!.fn, sum);
});

test('expose.fn returns an equivalent function that can be exposed more than once', (t) => {
  function greet(this: unknown, name: string, greeting = 'hello'): string {
    return `${greeting}, ${name}${String(this ?? '')}`;
  }
  const one = expose.fn(greet, { arity: 1 });
  const two = expose.fn(greet, { arity: 2 });
  t.is(one.call('!', 'you'), 'hello, you!');
  t.is(one.name, 'greet');
  t.is(one.length, 1);
  t.deepEqual(exposed({ m: { one, two, greet } }), ['m:one/1', 'm:two/2', 'm:greet/1']);
});

test('arities are 0 to 255', (t) => {
  const f = (): void => {};
  t.deepEqual(exposed({ m: { f: expose.fn(f, { arity: [0, 255] }) } }), ['m:f/0', 'm:f/255']);
  for (const arity of [-1, 256, 1.5, NaN, '1', null, [], [1, 256]]) {
    const error = t.throws(() => expose.fn(f, { arity: arity as number }), {
      instanceOf: OptionError,
    });
    t.is(error?.option, 'arity');
  }
  t.deepEqual(exposed({ m: { f: expose.fn((a: 1, b: 2) => [a, b], {}) } }), ['m:f/2']);
  const withLength = (length: unknown): (() => void) =>
    Object.defineProperty(() => {}, 'length', { value: length });
  t.deepEqual(exposed({ m: { f: withLength(255) } }), ['m:f/255']);
  for (const length of [256, -1, 0.5, 'two']) {
    t.is(refused({ m: { f: withLength(length) } }).option, 'modules.m.f');
  }
  t.throws(() => expose.fn(1 as never, { arity: 1 }), { instanceOf: OptionError });
  t.throws(() => expose.fn(class {} as never, { arity: 1 }), { instanceOf: OptionError });
  t.throws(() => expose.fn(f, { arity: 1, arities: 2 } as never), { instanceOf: OptionError });
});

test('names have 1 to 255 characters and no lone surrogates', (t) => {
  const longest = '😀'.repeat(255);
  t.deepEqual(createRegistry({ [longest]: { [longest]: () => 1 } }).functions[0]!.name, longest);
  for (const name of ['', 'x'.repeat(256), `${longest}x`, '\ud800']) {
    t.throws(() => createRegistry({ [name]: {} }), { instanceOf: OptionError });
    t.throws(() => createRegistry({ m: { [name]: () => 1 } }), { instanceOf: OptionError });
  }
});

test('reserved functions are refused, but not with other arities', (t) => {
  const reserved = [
    ['module_info', 0],
    ['module_info', 1],
    ['behaviour_info', 1],
    ['__info__', 1],
    ['backwater_export', 0],
  ] as const;
  const f = (): void => {};
  for (const [name, arity] of reserved) {
    const error = refused({ m: { [name]: expose.fn(f, { arity: [7, arity] }) } });
    t.is(error.option, `modules.m.${name}`);
    t.true(error.message.includes(`${name}/${arity}`));
  }
  for (const [name, arity] of [
    ['module_info', 2],
    ['behaviour_info', 0],
    ['__info__', 0],
    ['backwater_export', 1],
  ] as const) {
    t.deepEqual(exposed({ m: { [name]: expose.fn(f, { arity }) } }), [`m:${name}/${arity}`]);
  }
});

test('unknown markers of other versions are refused', (t) => {
  const symbol = Symbol.for('backwater.exposed');
  const module = { f: () => 1 };
  const marked = (value: object, mark: unknown): object =>
    Object.defineProperty(value, symbol, { value: mark });
  const rate = { module, exports: ['f'], callers: undefined, rate: 5 };
  t.is(refused({ m: marked({}, rate) }).option, 'modules.m');
  t.regex(refused({ m: marked({}, rate) }).message, /another version of backwater/);
  t.is(refused({ m: marked({}, true) }).option, 'modules.m');
  const fn = marked(() => 1, { fn: () => 1, arities: [0], context: false, schema: {} });
  t.is(refused({ m: { fn } }).option, 'modules.m.fn');
  t.deepEqual(exposed({ m: marked({}, { module, exports: ['f'], callers: undefined }) }), [
    'm:f/0',
  ]);
  t.deepEqual(exposed({ m: Object.create(marked({}, rate)) }), []);
});

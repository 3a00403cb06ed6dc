import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, inspect, isDeepStrictEqual } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import { remoteModule } from '../src/client/remote-module.js';
import { projectRoot } from './support/root.js';
import { connect, serve } from './support/rpc.js';

type Any = any;

function recorded(name = 'shop'): { module: Any; calls: string[] } {
  const calls: string[] = [];
  const module = remoteModule(name, (fn, args) => {
    calls.push(`${fn}/${args.length}`);
    return Promise.reject(new Error('a remote call'));
  });
  return { module, calls };
}

const uses: Readonly<Record<string, (module: Any, other: Any) => unknown>> = {
  inspect: (module) => inspect(module),
  'inspect everything': (module) =>
    inspect(module, { showHidden: true, showProxy: true, depth: Infinity, getters: true }),
  'console formats': (module) =>
    format('%s %d %i %f %j %o %O %c', ...Array.from({ length: 8 }, () => module)),
  'inspect within others': (module) => inspect([new Map([[module, module]]), new Set([module])]),
  'inspect as a cause': (module) => inspect(new Error('x', { cause: module })),
  'template literal': (module) => `${module}`,
  addition: (module) => module + 1,
  arithmetic: (module) => -module * 2,
  comparison: (module, other) => [module == 'x', module < other, module == 1],
  'as a property name': (module) => ({ [module]: 1 }),
  String: (module) => String(module),
  Number: (module) => Number(module),
  BigInt: (module) => BigInt(module),
  Symbol: (module) => Symbol(module),
  Date: (module) => new Date(module),
  RegExp: (module) => new RegExp(module),
  URL: (module) => new URL(module, 'http://x'),
  Error: (module) => new Error(module).message,
  'text methods': (module) => [
    'x'.concat(module),
    'x'.indexOf(module),
    'x'.replace(module, module),
  ],
  join: (module) => [module, [module]].join(),
  sort: (module: Any, other: Any) => [module, other, module].sort(),
  toLocaleString: (module: Any) => [module].toLocaleString(),
  concat: (module) => ([] as unknown[]).concat(module),
  flat: (module) => [[module]].flat(),
  'Array.from': (module) => Array.from(module as ArrayLike<unknown>),
  'Array.isArray': (module) => Array.isArray(module),
  JSON: (module) => JSON.stringify({ module, list: [module] }),
  'JSON with a replacer': (module) => JSON.stringify(module, (_key, value: unknown) => value, 2),
  structuredClone: (module) => structuredClone(module),
  spread: (module) => ({ ...module }),
  'Object.assign': (module) => Object.assign({}, module),
  entries: (module) => [Object.keys(module), Object.entries(module), Reflect.ownKeys(module)],
  'for in': (module) => {
    for (const name in module) void name;
  },
  'for of': (module) => [...module],
  in: (module) => ['then' in module, 'find' in module, Symbol.iterator in module],
  'property tests': (module) => [
    module.hasOwnProperty('find'),
    module.propertyIsEnumerable('find'),
    Object.hasOwn(module, 'find'),
    Object.getOwnPropertyDescriptors(module),
  ],
  'prototype tests': (module) => [
    module instanceof Error,
    module instanceof Promise,
    module.isPrototypeOf({}),
    Object.prototype.isPrototypeOf.call(module, {}),
    Object.getPrototypeOf(module),
    module.__proto__,
  ],
  'toString.call': (module) => Object.prototype.toString.call(module),
  'own methods': (module) => [module.toString(), module.valueOf(), module.toLocaleString()],
  constructor: (module: Any) => [module.constructor.name, new module.constructor('x')],
  freeze: (module) => [Object.isFrozen(module), Object.freeze(module), inspect(module)],
  captureStackTrace: (module) => Error.captureStackTrace(module),
  equality: (module, other) => [Object.is(module, other), module === other],
  deepEqual: (module, other) => assert.deepEqual(module, other),
  'deepEqual to another object': (module) => assert.deepEqual(module, { find: 1 }),
  deepStrictEqual: (module, other) => assert.deepStrictEqual([module], [other]),
  'deepStrictEqual to another object': (module) => assert.deepStrictEqual({ find: 1 }, module),
  isDeepStrictEqual: (module, other) => isDeepStrictEqual(module, other),
  'assert.match': (module) => assert.match(module, /x/),
  'assert.throws': (module) =>
    assert.throws(() => {
      throw module;
    }, /x/),
  'thrown and printed': (module) => {
    try {
      throw module;
    } catch (error) {
      return inspect(error);
    }
  },
};

/**
 * Properties that Jest 30, Vitest 4, chai 6, Sinon 21, Immutable 5 and React 19 read from a value,
 * and call if they are functions.
 */
const probes = [
  'asymmetricMatch',
  'fantasy-land/equals',
  'fantasy-land/map',
  '$$typeof',
  'nodeType',
  'nodeName',
  'tagName',
  'hasAttribute',
  'jquery',
  'inspect',
  'toJSON',
  'equals',
  'hashCode',
  '_isMockFunction',
  '@@iterator',
  '@@observable',
  '@@__IMMUTABLE_ITERABLE__@@',
  '@@__IMMUTABLE_KEYED__@@',
  '@@__IMMUTABLE_ORDERED__@@',
  '@@__IMMUTABLE_RECORD__@@',
  '__esModule',
  '__v_isRef',
  'then',
  'catch',
  'finally',
];

for (const [name, use] of Object.entries(uses)) {
  test(`a module makes no remote call: ${name}`, (t) => {
    const { module, calls } = recorded();
    const { module: other, calls: others } = recorded();
    try {
      use(module, other);
    } catch {
      // Some throw for any object.
    }
    t.deepEqual([...calls, ...others], []);
  });
}

test('a module lacks the properties that test runners and other tools look for', (t) => {
  const { module, calls } = recorded();
  for (const name of probes) {
    t.is(module[name], undefined, name);
    t.false(name in module, name);
  }
  for (const symbol of [
    inspect.custom,
    Symbol.toPrimitive,
    Symbol.toStringTag,
    Symbol.iterator,
    Symbol.asyncIterator,
    Symbol.asyncDispose,
    Symbol.for('chai/inspect'),
  ]) {
    t.is(module[symbol], undefined, String(symbol));
  }
  t.deepEqual(calls, []);
});

test('a module is not a promise', async (t) => {
  const { module, calls } = recorded();
  t.is(await module, module);
  t.is(await Promise.resolve(module), module);
  t.is(await (async () => module)(), module);
  t.is(await Promise.race([module, new Promise(() => {})]), module);
  t.deepEqual(calls, []);
});

test('code of another realm does not make a remote call either', (t) => {
  const { module, calls } = recorded();
  const context = createContext({ module });
  runInContext(
    '`${module}`; module + 1; JSON.stringify([module]); Object.keys(module); String(module);' +
      'module instanceof Object; Object.prototype.toString.call(module); ({ ...module });' +
      'Object.prototype.isPrototypeOf(module); new Date(module); [module].join()',
    context,
  );
  t.deepEqual(calls, []);
});

test('a module prints as an object with its name', (t) => {
  const { module } = recorded();
  // Versions of Node print symbols and proxies differently.
  t.regex(inspect(module), /\bRemoteModule \{ \[?Symbol\(module\)\]?: 'shop' \}/);
  t.is(`${module}`, '[object Object]');
  t.is(JSON.stringify(module), '{}');
  t.deepEqual(Object.keys(module), []);
  t.true(isDeepStrictEqual(module, recorded().module));
  t.false(isDeepStrictEqual(module, recorded('stock').module));
  t.throws(() => structuredClone(module), { any: true, name: 'DataCloneError' });
});

test('remote functions are functions with their names', async (t) => {
  const { module, calls } = recorded();
  t.is(module.find, module.find);
  t.is(module.find.name, 'find');
  t.is(module.find.length, 0);
  t.is(inspect(module.find), '[Function: find]');
  t.is(JSON.stringify({ find: module.find }), '{}');
  t.deepEqual(calls, []);
  const { to_upper } = module;
  await t.throwsAsync(to_upper('x', 1), { message: 'a remote call' });
  for (const name of ['test', 'id', 'length', 'name', '_private', '$', '@', 'get', 'prototype']) {
    await t.throwsAsync(module[name]());
  }
  t.is(calls.join(), 'to_upper/2,test/0,id/0,length/0,name/0,_private/0,$/0,@/0,get/0,prototype/0');
});

test('assigned properties take precedence, as mocks need', (t) => {
  const { module, calls } = recorded();
  const find = (): string => 'mocked';
  module.find = find;
  t.is(module.find, find);
  t.is(module.find(), 'mocked');
  t.deepEqual(Object.keys(module), ['find']);
  delete module.find;
  t.is(module.find.name, 'find');
  t.not(module.find, find);
  t.deepEqual(calls, []);
});

test.serial('additions to Object.prototype change nothing', (t) => {
  const prototype = Object.prototype as Any;
  const added = ['get', 'has', 'set', 'ownKeys', 'value', 'find'];
  for (const name of added) prototype[name] = () => 'added';
  try {
    const { module, calls } = recorded();
    module.get('x').catch(() => {});
    module.find().catch(() => {});
    t.deepEqual(calls, ['get/1', 'find/0']);
  } finally {
    for (const name of added) delete prototype[name];
  }
});

async function unhandledOf(act: () => void): Promise<unknown[]> {
  const found: unknown[] = [];
  const listener = (reason: unknown): void => void found.push(reason);
  process.on('unhandledRejection', listener);
  act();
  await new Promise((resolve) => setTimeout(resolve, 10));
  process.off('unhandledRejection', listener);
  return found;
}

test.serial('implicit uses make no call and cause no unhandled rejection', async (t) => {
  const functions = { toJSON: () => 'remote', to_string: () => 'text' };
  const server = await serve(t, { shop: functions });
  const client = connect(t, server);
  const module = client.module('shop') as Any;
  const unhandled = await unhandledOf(() => {
    for (const use of [uses['console formats']!, uses['addition']!, uses['JSON']!]) {
      use(module, module);
    }
  });
  t.deepEqual(unhandled, []);
  t.is(client.stats().calls, 0);
  t.is(await module.to_string(), 'text');
  t.is(await client.call('shop', 'toJSON'), 'remote');
});

test('docs/client.md lists the names that are not remote functions', (t: ExecutionContext) => {
  const page = readFileSync(join(projectRoot(), 'docs/client.md'), 'utf8');
  const section = /\n## Modules\n(.*?)\n## /s.exec(page)![1]!;
  const list = section.slice(section.indexOf('- symbols'), section.indexOf('If a server has'));
  const listed = Array.from(list.matchAll(/`([^`]+)`/g), ([, name]) => name!);
  const { module, calls } = recorded();
  for (const name of listed) {
    const names = /^[_$@]{2}$/.test(name) ? [`${name}x`] : [name];
    for (const each of names) {
      const found = module[each];
      if (typeof found === 'function') {
        try {
          found.call(module);
        } catch {
          // `constructor` is a class.
        }
      }
    }
  }
  t.true(listed.length > 20);
  t.deepEqual(calls, []);
  const source = readFileSync(join(projectRoot(), 'src/client/remote-module.ts'), 'utf8');
  const code = /LOCAL_NAMES = \[(.*?)\]/s.exec(source)![1]!;
  for (const [, name] of code.matchAll(/^ {2}'(.+)',$/gm)) t.true(listed.includes(name!), name);
});

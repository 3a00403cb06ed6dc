import test from 'ava';
import { runProgram } from './programs.js';

/** Modules return the store that they started in. */
const ENTERED = `
  import { AsyncLocalStorage, createHook, executionAsyncId, triggerAsyncId } from 'node:async_hooks';
  import { setTimeout as delay } from 'node:timers/promises';
  const store = new AsyncLocalStorage();
  const { Client, encode, expose, startClearServer } = await store.run('loader', () => import(library));
  const ids = [];
  const aborted = [];
  const enter = (name) => {
    const found = store.getStore() ?? null;
    ids.push([executionAsyncId(), triggerAsyncId(), name]);
    store.enterWith(name);
    return found;
  };
  const modules = {
    m: {
      sync: (name) => [enter(name), store.getStore()],
      later: async (name) => {
        const found = enter(name);
        await delay(2);
        return [found, store.getStore()];
      },
      raise: (name) => {
        enter(name);
        throw new Error(name);
      },
      wait: expose.fn(
        ({ signal }, name) => {
          enter(name);
          return new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              aborted.push([name, executionAsyncId(), store.getStore() ?? null]);
              resolve();
            });
          });
        },
        { context: true },
      ),
    },
  };
  const server = await store.run('starter', () => startClearServer(secret, modules, local));
  const client = store.run('maker', () => new Client({ url: server.url, secret }));
`;

test("a call does not see the AsyncLocalStorage of other calls, of the server's starter or of the loader", async (t) => {
  const program = `${ENTERED}
    const names = Array.from({ length: 300 }, (_, number) => 'user ' + number);
    const results = await store.run('caller', () =>
      Promise.all(
        names.map(async (name, number) => {
          const fn = ['sync', 'later', 'raise'][number % 3];
          const { value, error } = await client.tryCall('m', fn, [name]);
          return { name, value, message: error?.message, continues: store.getStore() };
        }),
      ),
    );
    await client.close();
    await server.close();
    const wrong = results.filter(({ name, value, message, continues }) => {
      const right = value === undefined ? message.includes(name) : value[0] === null && value[1] === name;
      return !right || continues !== 'caller';
    });
    const executions = new Set(ids.map(([execution]) => execution));
    const triggers = new Set(ids.map(([, trigger]) => trigger));
    console.log(JSON.stringify({ wrong, calls: executions.size, triggers: [...triggers] }));`;
  t.deepEqual(await runProgram(t, program), { wrong: [], calls: 300, triggers: [0] });
});

test('calls in workers have separate contexts', async (t) => {
  const modules = `
    import { AsyncLocalStorage, executionAsyncId } from 'node:async_hooks';
    const store = new AsyncLocalStorage();
    export const m = {
      enter: (name) => {
        const found = store.getStore() ?? null;
        store.enterWith(name);
        return [found, executionAsyncId()];
      },
    };`;
  const program = `
    const { Client, startClearServer } = await import(library);
    const url = new URL('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(modules))});
    const server = await startClearServer(secret, url, { ...local, workers: 1 });
    const client = new Client({ url: server.url, secret });
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, number) => client.call('m', 'enter', ['user ' + number])),
    );
    await client.close();
    await server.close();
    const stores = new Set(results.map(([found]) => found));
    const ids = new Set(results.map(([, id]) => id));
    console.log(JSON.stringify({ stores: [...stores], ids: ids.size }));`;
  t.deepEqual(await runProgram(t, program), { stores: [null], ids: 50 });
});

test('async hooks see one balanced tree for each call', async (t) => {
  const program = `
    import { createHook } from 'node:async_hooks';
    const seen = new Map();
    const count = (id, what) => {
      const found = seen.get(id);
      if (found !== undefined) found[what]++;
    };
    createHook({
      init(id, type, trigger) {
        if (type === 'BackwaterCall') seen.set(id, { trigger, before: 0, after: 0, destroy: 0 });
      },
      before: (id) => count(id, 'before'),
      after: (id) => count(id, 'after'),
      destroy: (id) => count(id, 'destroy'),
    }).enable();
    const { Client, startClearServer } = await import(library);
    const modules = {
      m: { now: () => 1, later: async () => 1, raise: () => { throw new Error('as expected'); } },
    };
    const server = await startClearServer(secret, modules, local);
    const client = new Client({ url: server.url, secret });
    for (const fn of ['now', 'later', 'raise']) {
      await Promise.all(Array.from({ length: 10 }, () => client.tryCall('m', fn)));
    }
    await client.close();
    await server.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const kinds = new Set([...seen.values()].map((each) => JSON.stringify(each)));
    console.log(JSON.stringify({ calls: seen.size, kinds: [...kinds].map((kind) => JSON.parse(kind)) }));`;
  t.deepEqual(await runProgram(t, program), {
    calls: 30,
    kinds: [{ trigger: 0, before: 1, after: 1, destroy: 1 }],
  });
});

test("listeners of a context's signal run in the call's context", async (t) => {
  const program = `${ENTERED}
    const controller = new AbortController();
    const { signal } = controller;
    const calls = ['a', 'b', 'c'].map((name) => client.call('m', 'wait', [name], { signal }));
    while (ids.length < 3) await delay(5);
    controller.abort();
    await Promise.allSettled(calls);
    // A call whose deadline passes first is never started.
    while (ids.length < 4) await client.tryCall('m', 'wait', ['late'], { timeout: 100 });
    while (aborted.length < 4) await delay(5);
    await client.close();
    await server.close();
    const own = aborted.every(([name, id]) => ids.some((each) => each[0] === id && each[2] === name));
    const foreign = aborted.filter(([name, , found]) => found !== null && found !== name);
    console.log(JSON.stringify({ own, foreign }));`;
  t.deepEqual(await runProgram(t, program), { own: true, foreign: [] });
});

test("encoders and revivers run in the caller's context, a resolver in its client's", async (t) => {
  const program = `
    import { AsyncLocalStorage } from 'node:async_hooks';
    const { atom, call, Client, startClearServer, tuple } = await import(library);
    const store = new AsyncLocalStorage();
    const seen = [];
    const see = (what, value) => (seen.push([what, store.getStore() ?? null]), value);
    class Money {}
    const hooks = {
      encoders: [{ class: Money, toTerm: () => see('encoder', tuple(atom('money'), 5)) }],
      revivers: [{ tag: 'money', length: 2, revive: () => see('reviver', new Money()) }],
    };
    const server = await startClearServer(secret, { m: { echo: (value) => value } }, local);
    const url = () => see('resolver', [server.url]);
    const client = store.run('maker', () => new Client({ url, secret, ...hooks }));
    const shared = { url: () => see('shared resolver', [server.url]), secret };
    await store.run('caller', async () => {
      const money = await client.call('m', 'echo', [new Money()]);
      see(money instanceof Money ? 'caller' : 'wrong');
      await call(shared, 'm', 'echo', [1]);
    });
    await client.close();
    await server.close();
    seen.sort(([a], [b]) => (a < b ? -1 : 1));
    console.log(JSON.stringify(seen));`;
  t.deepEqual(await runProgram(t, program), [
    ['caller', 'caller'],
    ['encoder', 'caller'],
    ['resolver', 'maker'],
    ['reviver', 'caller'],
    ['shared resolver', null],
  ]);
});

test('a resolver function starts in the context of its client, even after enterWith', async (t) => {
  const program = `
    import { AsyncLocalStorage } from 'node:async_hooks';
    const { Client, startClearServer } = await import(library);
    const store = new AsyncLocalStorage();
    const server = await startClearServer(secret, { m: { echo: (value) => value } }, local);
    const seen = [];
    let resolvedOften;
    const often = new Promise((resolve) => (resolvedOften = resolve));
    const url = () => {
      seen.push(store.getStore() ?? null);
      store.enterWith('entered by resolution ' + seen.length);
      if (seen.length === 4) resolvedOften();
      return [server.url];
    };
    const client = store.run('maker', () => new Client({ url, secret, resolveInterval: 10 }));
    await client.call('m', 'echo', [1]);
    await often;
    await client.close();
    await server.close();
    console.log(JSON.stringify(seen.slice(0, 4)));`;
  t.deepEqual(await runProgram(t, program), ['maker', 'maker', 'maker', 'maker']);
});

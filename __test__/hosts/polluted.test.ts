import test from 'ava';
import { runProgram } from './programs.js';

/** Names of properties, without `then` and others that JavaScript itself looks up. */
const NAMES = `
  get set enumerable configurable kind toJSON has ownKeys apply reason option limit host port
  phase httpStatus stacktrace signal timeout url secret tls workers encoders revivers spin
  context arity exports terms health audience ioThreads requestId areas frame skip source
  parts deadline triggerAsyncId struct tag weight a
  idleTimeout clientCa ca cert servername acceptAny replay isResolved priority address maxValueSize
  maxLength maxDepth traceparent certificate metadata ejectedFor offset unverified header
  detail path line column caller callers interceptors parent
  trace bound parent interceptors caller callers idempotent
`
  .trim()
  .split(/\s+/);

const USE = `
  const { inspect } = await import('node:util');
  const names = ${JSON.stringify(NAMES)};
  const values = [() => 'polluted', { polluted: 1 }, 1, 'x', true];
  const use = async (library) => {
    const { Client, atom, decode, decodeResponse, encode, encodeRequest } = library;
    const { expose, fromErlang, startClearServer, toErlang, tuple } = library;
    const modules = {
      m: {
        echo: (value) => value,
        raise: () => {
          throw new TypeError('as expected');
        },
        context: expose.fn(
          async ({ deadline, metadata, peer, signal }, value) => {
            return [deadline, [...metadata], peer.certificate, signal.aborted, value];
          },
          { context: true },
        ),
      },
    };
    const server = await startClearServer(secret, modules, local);
    const client = new Client({ url: server.url, secret });
    const seen = [
      await client.call('m', 'echo', [{ a: 1, list: [1, 2.5, 'x', null, atom('ok')] }]),
      await client.module('m').context(7),
      decode(encode(tuple(atom('ok'), new Map([[1, 2]]), 'y', 10n ** 30n))),
      toErlang(fromErlang('{ok,[1,2,3,4]}')),
    ];
    for (const attempt of [
      () => client.call('m', 'raise'),
      () => client.call('m', 'nothing'),
      () => client.call('m', 'echo', [Symbol('s')]),
      () => new Client({ url: server.url, secret, nonsense: 1 }),
      () => decode(Buffer.from([131, 104, 1])),
      () => encodeRequest({ url: server.url, secret }, 'm', 'f', ['too long'], { maxEncodedArgsSize: 4 }),
      () => {
        const { requestId } = encodeRequest({ url: server.url, secret }, 'm', 'f', [1]);
        const response = { status: 200, headers: {}, body: Buffer.alloc(0) };
        return decodeResponse({ secret, requestId }, response);
      },
    ]) {
      try {
        await attempt();
      } catch (error) {
        const { name, message } = error;
        const fields = Object.entries(error).filter(([field]) => field !== 'requestId');
        seen.push([name, message, fields]);
      }
    }
    const { endpoints, ...figures } = client.stats();
    const { host, address, ...endpoint } = endpoints[0];
    seen.push(server.stats().calls, figures, endpoint);
    await client.close();
    await server.close();
    return seen;
  };
  // util.inspect ignores what a polluted prototype adds.
  // Request identifiers are random.
  const text = (seen) => inspect(seen, { depth: 9 }).replace(/'requestId', '[^']+'/g, 'requestId');
`;

test('additions to Object.prototype after loading change nothing', async (t) => {
  const program = `${USE}
    const backwater = await import(library);
    const expected = text(await use(backwater));
    const wrong = [];
    for (const name of names) {
      for (const value of values) {
        Object.prototype[name] = value;
        let seen;
        try {
          seen = await use(backwater);
        } catch (error) {
          seen = String(error);
        }
        delete Object.prototype[name];
        if (text(seen) !== expected) wrong.push([name, typeof value, text(seen).slice(0, 300)]);
      }
    }
    console.log(JSON.stringify(wrong));`;
  t.deepEqual(await runProgram(t, program), []);
});

test('additions to Object.prototype before loading change nothing', async (t) => {
  const program = `${USE}
    // With some of these names, Node cannot load some of its own modules, and with this one, none.
    names.splice(names.indexOf('signal'), 1);
    const used = 'async_hooks crypto dns fs fs/promises module net os path perf_hooks timers tls url util worker_threads';
    for (const name of used.split(' ')) await import('node:' + name);
    const { createRequire } = await import('node:module');
    const require = createRequire(library);
    for (const name of names) Object.prototype[name] = () => 'polluted';
    let seen;
    try {
      seen = await use(require('./index.js'));
    } finally {
      for (const name of names) delete Object.prototype[name];
    }
    const clean = text(await use(await import(library)));
    console.log(JSON.stringify(text(seen) === clean ? 'same' : [text(seen), clean]));`;
  t.is(await runProgram(t, program), 'same');
});

test('built-in functions that throw do not end the process, and the library recovers', async (t) => {
  const program = `${USE}
    const backwater = await import(library);
    const expected = text(await use(backwater));
    const { Client, startClearServer } = backwater;
    const server = await startClearServer(secret, { m: { echo: (value) => value } }, local);
    const client = new Client({ url: server.url, secret, recvTimeout: 1000 });
    const uncaught = [];
    let broken = '';
    for (const event of ['uncaughtException', 'unhandledRejection']) {
      process.on(event, (error) => void (uncaught[uncaught.length] = [broken, String(error && error.stack)]));
    }
    const methods = [
      ...['push', 'map', 'forEach', 'find', 'unshift', 'slice', 'join', Symbol.iterator].map((name) => [Array.prototype, name]),
      ...['get', 'set', 'has'].map((name) => [Map.prototype, name]),
      ...['add', 'delete', Symbol.iterator].map((name) => [Set.prototype, name]),
      ...['call', 'apply', 'bind'].map((name) => [Function.prototype, name]),
      ...['entries', 'keys', 'hasOwn', 'freeze', 'fromEntries'].map((name) => [Object, name]),
      ...['parse', 'stringify'].map((name) => [JSON, name]),
      ...['apply', 'ownKeys', 'getPrototypeOf'].map((name) => [Reflect, name]),
      ...['min', 'max', 'ceil'].map((name) => [Math, name]),
      [Number, 'isInteger'], [Promise, 'resolve'], [Buffer.prototype, 'utf8Slice'], [Buffer.prototype, 'utf8Write'],
    ];
    const { setTimeout } = globalThis;
    for (const [owner, name] of methods) {
      broken = String(name);
      const real = owner[name];
      owner[name] = () => {
        throw new Error('broken');
      };
      try {
        // Not awaited while the built-in is broken. The call may fail, but nothing else may.
        client.call('m', 'echo', [{ a: [1, 'x'] }]).then(() => {}, () => {});
      } catch {}
      await { then: (resolve) => void setTimeout(resolve, 20) };
      owner[name] = real;
      await { then: (resolve) => void setTimeout(resolve, 5) };
      if ((await client.call('m', 'echo', [name.toString()])) !== name.toString()) uncaught.push([name, 'wrong']);
    }
    await client.close();
    await server.close({ timeout: 0 });
    const again = text(await use(backwater));
    console.log(JSON.stringify({ uncaught, same: again === expected }));`;
  t.deepEqual(await runProgram(t, program), { uncaught: [], same: true });
});

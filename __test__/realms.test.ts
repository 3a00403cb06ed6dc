import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import * as backwater from '../src/index.js';
import { BackwaterError, Client, OptionError, startClearServer } from '../src/index.js';
import { copyBytes } from '../src/platform/bytes.js';
import { isAbortSignal, isError, isPlainObject, isUrl } from '../src/platform/realms.js';
import { connect, serve } from './support/rpc.js';
import { certificateOptions } from '../src/options/tls.js';
import { projectRoot } from './support/root.js';

/** A value of another realm, which lacks Node's URL, AbortSignal and DOMException. */
function foreign<T>(source: string): T {
  return runInNewContext(`(() => { ${CLASSES} return ${source}; })()`) as T;
}

const CLASSES = `
  class URL {
    #href;
    constructor(href) { this.#href = href; }
    get href() { return this.#href; }
    get protocol() { return /^[^:]*:/.exec(this.#href)[0]; }
  }
  class DOMException extends Error {
    get name() { return 'AbortError'; }
  }
  class AbortSignal {
    aborted = false;
    listeners = new Set();
    addEventListener(type, listener) { this.listeners.add(listener); }
    removeEventListener(type, listener) { this.listeners.delete(listener); }
    abort(reason) {
      this.aborted = true;
      if (reason !== undefined) this.reason = reason;
      for (const listener of [...this.listeners]) listener();
    }
  }
  function Old() {}
  Old.prototype = Object.create(Error.prototype);
`;

interface Signal extends AbortSignal {
  readonly listeners: ReadonlySet<unknown>;
  abort(reason?: unknown): void;
}

test('errors of other realms are recognized', (t) => {
  for (const error of [
    new Error('x'),
    new TypeError('x'),
    new BackwaterError('x'),
    new DOMException('x'),
    new Proxy(new Error('x'), {}),
    Object.create(Error.prototype),
    foreign('new Error("x")'),
    foreign('new RangeError("x")'),
    foreign('new DOMException("x")'),
    foreign('new AggregateError([])'),
    foreign('new Old()'),
  ]) {
    t.true(isError(error), String(error));
  }
  class Error2 {}
  const endless: object = new Proxy({}, { getPrototypeOf: () => endless });
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const other of [
    undefined,
    null,
    'x',
    {},
    { name: 'Error', message: 'x' },
    new Error2(),
    Error,
    Error.prototype,
    endless,
    proxy,
    foreign('({ name: "Error" })'),
    foreign('Object.create({ constructor: { name: "Error" } })'),
  ]) {
    t.false(isError(other));
  }
});

test('URLs, signals and plain objects of other realms are recognized', (t) => {
  t.true(isUrl(new URL('http://x')));
  t.true(isUrl(foreign('new URL("http://x")')));
  for (const other of ['http://x', null, {}, { href: 'http://x' }, process.versions]) {
    t.false(isUrl(other));
  }
  t.false(isUrl({ href: 'http://x', protocol: 'http:', auth: null, path: '/' }));
  t.true(isAbortSignal(AbortSignal.abort()));
  t.true(isAbortSignal(foreign('new AbortSignal()')));
  for (const other of [null, new AbortController(), new EventTarget(), { aborted: true }]) {
    t.false(isAbortSignal(other));
  }
  t.true(isPlainObject({}));
  t.true(isPlainObject(Object.create(null) as object));
  t.true(isPlainObject(foreign('({})')));
  t.false(isPlainObject(foreign('new Map()')));
  t.false(isPlainObject(foreign('new (class {})()')));
});

test('bytes are copied with their true length', (t) => {
  class Liar extends Uint8Array {
    override get length(): number {
      return 64;
    }
  }
  const copy = copyBytes(Liar.from([1, 2, 3]));
  t.deepEqual([...copy], [1, 2, 3]);
  t.is(copy.buffer.byteLength, 3);
  t.deepEqual([...copyBytes(foreign('Uint8Array.of(1, 2)'))], [1, 2]);
});

test('a call accepts secrets, a URL, arguments and a Map of modules of another realm', async (t) => {
  const fn = (): string => 'found';
  const make = foreign<(fn: () => string) => Map<string, object>>(
    '(fn) => new Map([["m", { fn, same: (value) => value }]])',
  );
  const key = foreign<Uint8Array>('new Uint8Array(32).fill(7)');
  const server = await startClearServer(key, make(fn), { host: '127.0.0.1', port: 0 });
  t.teardown(() => server.close({ timeout: 0 }));
  const url = foreign<URL>(`new URL("${server.url}/")`);
  for (const target of [url, foreign<[URL]>(`[new URL("${server.url}/")]`), async () => [url]]) {
    await using client = new Client({
      url: target,
      secret: foreign(`[new Uint8Array(32).fill(7)]`),
    });
    t.is(await client.call('m', 'fn'), 'found');
    t.deepEqual(await client.call('m', 'same', foreign('[[1, "x", [true]]]')), [1, 'x', [true]]);
  }
  const options = foreign<object>('({ url: "127.0.0.1", secret: "" })');
  t.throws(() => new Client(options as never), { instanceOf: OptionError });
});

test('a path to a certificate may be a URL of another realm', (t) => {
  const url = foreign<URL>('new URL("file:///does/not/exist.pem")');
  const error = t.throws(() => certificateOptions({ cert: url, key: url }), {
    instanceOf: OptionError,
  });
  t.regex(error.message, /exist\.pem.*cannot be read \(ENOENT\)/);
  const other = foreign<URL>('new URL("http://x/")');
  t.throws(() => certificateOptions({ cert: other, key: url }), { message: /'cert' takes/ });
});

test('a signal of another realm or of an old polyfill aborts a call', async (t) => {
  const server = await serve(t, { m: { never: () => new Promise(() => {}) } });
  const client = connect(t, server);
  const signal = foreign<Signal>('new AbortSignal()');
  const calls = Array.from({ length: 12 }, () => client.call('m', 'never', [], { signal }));
  const settled = Promise.allSettled(calls);
  signal.abort();
  for (const result of await settled) {
    t.is(result.status, 'rejected');
    const { reason } = result as PromiseRejectedResult;
    t.true(reason instanceof Error);
    t.is(reason.name, 'AbortError');
    t.is(reason.code, 'ABORT_ERR');
  }
  t.is(signal.listeners.size, 0);
  await t.throwsAsync(client.call('m', 'never', [], { signal }), { name: 'AbortError' });
  const reasoned = foreign<Signal>('new AbortSignal()');
  const tried = client.tryCall('m', 'never', [], { signal: reasoned });
  const reason = foreign<Error>('new DOMException("enough")');
  reasoned.abort(reason);
  const result = await tried;
  t.true(!result.ok && result.error === reason);
});

test('an error of another realm reaches the caller like any other', async (t) => {
  const fail = (source: string) => (): never => {
    throw foreign(source);
  };
  const server = await serve(t, {
    m: { error: fail('new RangeError("far")'), dom: fail('new DOMException("gone")') },
  });
  const client = connect(t, server, { rethrowRemoteExceptions: true });
  await t.throwsAsync(client.call('m', 'error'), { instanceOf: RangeError, message: 'far' });
  await t.throwsAsync(client.call('m', 'dom'), { name: 'AbortError', message: 'gone' });
});

/**
 * Classes that `instanceof` may test: branded ones, and ones with instances only from this realm
 * and copy.
 */
const ALLOWED = new Set([
  ...Object.keys(backwater).filter((name) => /Error$|Exception$/.test(name)),
  'Atom',
  'BitString',
  'ExternalFunction',
  'Float',
  'Fun',
  'ImproperList',
  'Pid',
  'Port',
  'Reference',
  // Thrown and caught within one call or command.
  'Failed',
  'Fault',
  'ResolveError',
  'UsageError',
]);
/** Errors of what the command line reads, within one realm. */
const OF_CLI = new Set(['SyntaxError', 'RangeError']);
const CODEC = /^(?:codec\.ts|codec\/|terms\/)/;

test('the sources do not use instanceof with built-in classes', (t) => {
  const root = join(projectRoot(), 'src');
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const found: string[] = [];
  for (const name of names.filter((each) => each.endsWith('.ts') && !CODEC.test(each))) {
    const source = readFileSync(join(root, name), 'utf8').replace(/^ *(?:\*|\/\/).*$/gm, '');
    for (const [, operand = ''] of source.matchAll(/\binstanceof\s+([\w.]+)/g)) {
      const isAllowed = ALLOWED.has(operand) || (name.startsWith('cli/') && OF_CLI.has(operand));
      if (!isAllowed) found.push(`${name}: instanceof ${operand}`);
    }
  }
  t.deepEqual(found, []);
});

/** Loads the library in a `vm` context, like a test runner. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { compileFunction, createContext, runInContext } from 'node:vm';

const root = process.argv[2]!;
const outer = createRequire(join(root, 'package.json'));

const environment = createContext({
  Buffer,
  clearImmediate,
  clearInterval: (number: number) => clearInterval(number),
  clearTimeout: (number: number) => clearTimeout(number),
  console,
  process,
  queueMicrotask,
  setImmediate,
  setInterval: (...args: Parameters<typeof setInterval>) => Number(setInterval(...args)),
  setTimeout: (...args: Parameters<typeof setTimeout>) => Number(setTimeout(...args)),
});

const furnish = runInContext(
  `(nodeURL) => {
  globalThis.global = globalThis.window = globalThis;
  globalThis.URL = class URL {
    #url;
    constructor(text, base) { this.#url = new nodeURL(text, base); }
    static canParse(text) { return nodeURL.canParse(text); }
    get href() { return this.#url.href; }
    get protocol() { return this.#url.protocol; }
    get hostname() { return this.#url.hostname; }
    get port() { return this.#url.port; }
    get pathname() { return this.#url.pathname; }
    toString() { return this.#url.href; }
    get [Symbol.toStringTag]() { return 'URL'; }
  };
  globalThis.DOMException = class DOMException extends Error {
    #name;
    constructor(message, name = 'Error') { super(message); this.#name = name; }
    get name() { return this.#name; }
  };
  globalThis.EventTarget = class EventTarget {
    #listeners = new Set();
    addEventListener(type, listener) { this.#listeners.add(listener); }
    removeEventListener(type, listener) { this.#listeners.delete(listener); }
    dispatchEvent(event) { for (const each of [...this.#listeners]) each.call(this, event); }
  };
  globalThis.AbortSignal = class AbortSignal extends EventTarget {
    aborted = false;
    reason = undefined;
    throwIfAborted() { if (this.aborted) throw this.reason; }
  };
  globalThis.AbortController = class AbortController {
    signal = new AbortSignal();
    abort(reason = new DOMException('This operation was aborted', 'AbortError')) {
      if (this.signal.aborted) return;
      this.signal.aborted = true;
      this.signal.reason = reason;
      this.signal.dispatchEvent({ type: 'abort' });
    }
  };
  globalThis.performance = { now: () => 0 };
  }`,
  environment,
) as (nodeURL: typeof URL) => void;
furnish(URL);

const loaded = new Map<string, { exports: unknown }>();

/** JavaScript files run in the environment, other files do not. */
function load(file: string): unknown {
  const known = loaded.get(file);
  if (known !== undefined) return known.exports;
  const module = { exports: {} as unknown };
  loaded.set(file, module);
  if (file.endsWith('.json')) {
    module.exports = JSON.parse(readFileSync(file, 'utf8'));
    return module.exports;
  }
  const names = ['module', 'exports', 'require', '__filename', '__dirname'];
  const run = compileFunction(readFileSync(file, 'utf8'), names, {
    filename: file,
    parsingContext: environment,
  });
  const resolve = createRequire(file).resolve;
  const require = (name: string): unknown => {
    const found = resolve(name);
    if (name.startsWith('node:')) return outer(name);
    return found.endsWith('.node') ? outer(found) : load(found);
  };
  run.call(module.exports, module, module.exports, require, file, dirname(file));
  return module.exports;
}

const library = load(join(root, 'build/index.js'));
assert.notEqual(runInContext('Uint8Array', environment), Uint8Array);
const test = runInContext(
  readFileSync(new URL('./realm-user.js', import.meta.url), 'utf8').replace(/^export /gm, '') +
    '\n;main',
  environment,
) as (library: unknown, report: (name: string, failure: unknown) => void) => Promise<void>;
const failures: string[] = [];
await test(library, (name, failure) => {
  const text = failure === undefined ? 'ok' : String((failure as Error)?.stack ?? failure);
  if (failure !== undefined) failures.push(name);
  process.stdout.write(`${name}: ${text}\n`);
});
process.exitCode = failures.length === 0 ? 0 : 1;

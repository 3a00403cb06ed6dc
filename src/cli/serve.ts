import { execFile } from 'node:child_process';
import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname, extname, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expose, type Modules } from '../registry.js';
import type { ServerOptions } from '../options.js';
import type { Secret } from '../secrets.js';
import { type Server, startClearServer, startTlsServer } from '../server.js';
import { type Command, type Flags, numberOf, takeArgs, timeOf, UsageError } from './command.js';
import { EXIT, messageOf } from './exit.js';
import { reloadable, Stubs } from './reload.js';
import { secretFlags, secretsOf } from './target.js';
import type { Terminal } from './terminal.js';

/** How long modules have for what they do at the end of the process, in milliseconds. */
const LAST_WORDS = 1000;

/** `backwater serve` */
export const serve: Command = {
  name: 'serve',
  summary: 'lets the functions of a module be called',
  usage: 'FILE [--port N] [--watch]',
  details: [
    'Imports FILE and exposes the functions that it exports, under the name of the file: those of string.js as the module string. If it exports objects instead, each is a module; so are those of an object that is the default export. Ctrl-C lets calls under way end.',
    'With --watch, the file and what it imports from its folder are imported again when something in the folder changes. Calls under way end with the old code, later ones run the new. When the new code fails to load, the old stays. Connections stay open unless functions come or go: then the server begins anew on its port, and clients connect again.',
  ],
  flags: {
    ...secretFlags,
    host: { value: 'ADDRESS', help: 'where to listen; 0.0.0.0 for everybody (127.0.0.1)' },
    port: { value: 'N', short: 'p', help: 'the port; 0 for a free one (8080, with TLS 8443)' },
    module: { value: 'NAME', help: 'the name of the module (that of the file)' },
    exports: { value: 'NAMES', help: 'only these functions, separated by commas' },
    watch: { short: 'w', help: 'reload when files change' },
    cert: { value: 'PATH', help: 'TLS with this certificate and its chain' },
    key: { value: 'PATH', help: 'the key of --cert' },
    'client-ca': { value: 'PATH', help: 'clients must show a certificate of these' },
    'close-timeout': { value: 'TIME', help: 'how long calls may take to end (5s)' },
    'hide-stacktraces': { help: 'callers do not see where exceptions come from' },
  },
  examples: [
    ['serve string.js --secret-file secret', 'the functions of string.js, on port 8080'],
    ['serve string.js --secret-file secret --watch', 'while working on them'],
    [
      'serve orders.js --exports find,list --host 0.0.0.0 --cert chain.pem --key key.pem --secret-file secret',
      'two functions, over TLS, to everybody who knows the secret',
    ],
  ],
  async run(args, flags, terminal) {
    const file = resolve(takeArgs(args, ['FILE'])[0]!);
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
      throw new UsageError(`there is no file ${file}`);
    }
    const running = new Serving(file, flags, terminal);
    await running.start();
    if (flags.has('watch')) running.watch();
    await signalled();
    terminal.note('closing …');
    await running.close();
    // Timers and connections of the modules would keep the process.
    setTimeout(() => process.exit(EXIT.ok), LAST_WORDS).unref();
    return EXIT.ok;
  },
};

function signalled(): Promise<void> {
  return new Promise((done) => {
    const end = (): void => done();
    process.once('SIGINT', end);
    process.once('SIGTERM', end);
  });
}

/** A server whose modules may be loaded again. */
class Serving {
  readonly #file: string;
  readonly #flags: Flags;
  readonly #terminal: Terminal;
  readonly #secrets: Secret | readonly Secret[];
  readonly #stubs = new Stubs();
  #server: Server | undefined;
  #watcher: FSWatcher | undefined;
  /** What was loaded is taken over one after the other. */
  #applying: Promise<void> = Promise.resolve();
  #version = 0;
  #closed = false;

  constructor(file: string, flags: Flags, terminal: Terminal) {
    this.#file = file;
    this.#flags = flags;
    this.#terminal = terminal;
    this.#secrets = secretsOf(flags);
  }

  async start(): Promise<void> {
    if (this.#flags.has('watch')) reloadable();
    this.#stubs.replace(await this.#load());
    this.#server = await this.#listen(this.#port);
    this.#terminal.print(`listening on ${this.#server.url}`);
    this.#list();
  }

  watch(): void {
    let timer: NodeJS.Timeout | undefined;
    this.#watcher = watch(dirname(this.#file), { recursive: true }, (_event, name) => {
      if (name !== null && !isSource(name)) return;
      clearTimeout(timer);
      // Editors write a file in several steps.
      timer = setTimeout(() => void this.#reload(), 50);
    });
    this.#watcher.on('error', (error) =>
      this.#terminal.note(`watching has ended: ${error.message}`),
    );
    this.#terminal.print(`watching ${dirname(this.#file)}`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher?.close();
    await this.#applying;
    await this.#server?.close(this.#closeOptions());
  }

  /** Loads the file again. It may wait at its top level, for ever even: the latest load is what counts. */
  async #reload(): Promise<void> {
    const loading = this.#load();
    const version = this.#version;
    await loading.catch(() => {});
    this.#applying = this.#applying.then(async () => {
      if (this.#closed || version !== this.#version) return;
      try {
        await this.#apply(await loading);
      } catch (error) {
        const text = messageOf(error, this.#flags.has('verbose'));
        this.#terminal.note(`not reloaded, the old code stays: ${text}`);
      }
    });
  }

  async #apply(modules: Modules): Promise<void> {
    if (this.#stubs.replace(modules)) {
      await this.#restart();
      this.#list();
    }
    this.#terminal.print('reloaded');
  }

  /** Begins anew, with other functions. The old server ends its calls meanwhile. */
  async #restart(): Promise<void> {
    const { port } = this.#server!;
    const closed = this.#server!.close(this.#closeOptions());
    for (let attempt = 0; ; attempt++) {
      try {
        this.#server = await this.#listen(port);
        break;
      } catch (error) {
        // The old one is still about to stop listening.
        const inUse = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
        if (!inUse || attempt >= 500) throw error;
        await new Promise((done) => setTimeout(done, 10));
      }
    }
    await closed;
  }

  async #load(): Promise<Modules> {
    const url = pathToFileURL(this.#file);
    if (this.#version++ > 0) url.searchParams.set('backwater-reload', String(this.#version));
    let namespace: Readonly<Record<string, unknown>>;
    try {
      namespace = (await import(url.href)) as Readonly<Record<string, unknown>>;
    } catch (cause) {
      const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
      const place = cause instanceof Error ? await placeOfSyntaxError(cause, this.#file) : '';
      throw new UsageError(`${basename(this.#file)} cannot be imported: ${reason}${place}`, {
        cause,
      });
    }
    return modulesOf(namespace, this.#file, this.#flags);
  }

  #listen(port: number | undefined): Promise<Server> {
    const flags = this.#flags;
    const modules = this.#stubs.modules();
    const options: ServerOptions = {
      host: flags.text('host') ?? '127.0.0.1',
      port,
      returnExceptionStacktraces: !flags.has('hide-stacktraces'),
    };
    const cert = flags.text('cert');
    const key = flags.text('key');
    if (cert === undefined) {
      // Not in clear what was meant to be TLS.
      for (const name of ['key', 'client-ca']) {
        if (flags.text(name) !== undefined) throw new UsageError(`--${name} needs --cert`);
      }
      return startClearServer(this.#secrets, modules, options);
    }
    if (key === undefined) throw new UsageError('--cert needs --key');
    const tls = { cert, key, clientCa: flags.text('client-ca') };
    return startTlsServer(this.#secrets, modules, { ...options, tls });
  }

  get #port(): number | undefined {
    return numberOf(this.#flags, 'port', { min: 0, max: 65_535 });
  }

  #closeOptions(): { timeout?: number } {
    const timeout = timeOf(this.#flags, 'close-timeout');
    return timeout === undefined ? {} : { timeout };
  }

  #list(): void {
    for (const name of this.#stubs.names()) this.#terminal.print(`  ${name}`);
  }
}

/** Where the syntax is wrong, in the file or in what it imports. */
async function placeOfSyntaxError(error: Error, file: string): Promise<string> {
  if (!(error instanceof SyntaxError)) return '';
  const stack = error.stack ?? '';
  const isOfRunningCode = stack.split('\n').some((line) => /^ +at .*file:/.test(line));
  if (isOfRunningCode) return '';
  const [, url, line] = PLACE.exec(stack) ?? PLACE.exec(await fatalErrorOf(file)) ?? [];
  return url === undefined ? '' : ` (${relative('', fileURLToPath(url))}, line ${line})`;
}

/** The line that Node begins the report of such an error with. */
const PLACE = /^(file:[^?\n]*)(?:\?.*)?:(\d+)$/m;

/**
 * What Node says when it ends because a file cannot be parsed, and nothing of it has run: `import()` rejects
 * with an error that does not say where.
 */
function fatalErrorOf(file: string): Promise<string> {
  const program = `import ${JSON.stringify(pathToFileURL(file).href)}`;
  const args = ['--input-type=module', '--eval', program];
  // Not waited for on this thread, which goes on to serve the old code.
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 10_000 }, (_error, _stdout, stderr) => {
      resolve(stderr);
    });
  });
}

function isSource(name: string): boolean {
  return (
    ['.js', '.mjs', '.cjs', '.json', '.ts', '.mts'].includes(extname(name)) &&
    !name.includes('node_modules')
  );
}

/** What a file exposes: the functions that it exports, or the objects. */
function modulesOf(
  namespace: Readonly<Record<string, unknown>>,
  file: string,
  flags: Flags,
): Modules {
  const name = flags.text('module') ?? basename(file, extname(file));
  const exports = flags
    .text('exports')
    ?.split(',')
    .map((part) => part.trim());
  const functions = Object.entries(namespace).filter(
    ([key, value]) => typeof value === 'function' && key !== 'default',
  );
  const main: unknown = namespace['default'];
  if (functions.length > 0 || exports !== undefined) {
    const module = functions.length === 0 && isObject(main) ? main : Object.fromEntries(functions);
    return {
      [name]: exports === undefined ? module : expose(module, { exports: exports as never }),
    };
  }
  if (isObject(main)) {
    const isModule = Object.values(main).some((value) => typeof value === 'function');
    return isModule ? { [name]: main } : (main as Modules);
  }
  const objects = Object.entries(namespace).filter(([, value]) => isObject(value));
  if (objects.length > 0) return Object.fromEntries(objects) as Modules;
  const hint = typeof main === 'function' ? ' by name: its default export has none' : '';
  throw new UsageError(`${basename(file)} exports no functions${hint}`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

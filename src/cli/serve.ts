import { type FSWatcher, statSync, watch } from 'node:fs';
import { basename, dirname, extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expose, type Modules } from '../registry.js';
import type { ServerOptions } from '../options.js';
import { type Server, startClearServer, startTlsServer } from '../server.js';
import { type Command, type Flags, numberOf, takeArgs, timeOf, UsageError } from './command.js';
import { EXIT, messageOf } from './exit.js';
import { reloadable, Stubs } from './reload.js';
import { secretFlags, secretsOf } from './target.js';
import type { Terminal } from './terminal.js';

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
  readonly #secrets: readonly (string | Uint8Array)[];
  readonly #stubs = new Stubs();
  #server: Server | undefined;
  #watcher: FSWatcher | undefined;
  /** Reloads follow each other. */
  #reloading: Promise<void> = Promise.resolve();
  #version = 0;

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
      timer = setTimeout(() => {
        this.#reloading = this.#reloading.then(() => this.#reload());
      }, 50);
    });
    this.#watcher.on('error', (error) =>
      this.#terminal.note(`watching has ended: ${error.message}`),
    );
    this.#terminal.print(`watching ${dirname(this.#file)}`);
  }

  async close(): Promise<void> {
    this.#watcher?.close();
    await this.#reloading;
    await this.#server?.close(this.#closeOptions());
  }

  async #reload(): Promise<void> {
    try {
      const changed = this.#stubs.replace(await this.#load());
      if (changed) {
        await this.#restart();
        this.#list();
      }
      this.#terminal.print('reloaded');
    } catch (error) {
      const text = messageOf(error, this.#flags.has('verbose'));
      this.#terminal.note(`not reloaded, the old code stays: ${text}`);
    }
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
      throw new UsageError(`${basename(this.#file)} cannot be imported: ${reason}`, { cause });
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
    if (cert === undefined) return startClearServer(this.#secrets, modules, options);
    const key = flags.text('key');
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
  const exports = flags.text('exports')?.split(',');
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
  throw new UsageError(`${basename(file)} exports no functions`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { basename, extname, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isError } from '../platform/realms.js';
import {
  exportedInterceptors,
  type ModuleNamespace,
  type ServedExports,
} from '../server/exports.js';
import { expose } from '../server/expose.js';
import { createRegistry, type Modules } from '../server/registry.js';
import type { ServerOptions } from '../server/options.js';
import { type Server, startClearServer, startTlsServer } from '../server/server.js';
import { type Command, type Flags, numberOf, takeArgs, timeOf } from './command.js';
import { EXIT } from './exit.js';
import { secretFlags, secretsOf } from './target.js';
import { UsageError } from './usage-error.js';

/** How long modules may delay the exit, in milliseconds. */
const EXIT_GRACE = 1000;

export const serve: Command = {
  name: 'serve',
  summary: 'Serve the functions of a JavaScript file',
  usage: 'FILE [OPTIONS]',
  details: [
    'Exposes the functions that FILE exports as one module named after the file: string.js becomes string. If FILE exports objects instead, or a default object of objects, each becomes a module. An export named interceptors lists interceptors that run around every call.',
    'Ctrl-C stops the server after calls in flight have ended.',
  ],
  flags: {
    ...secretFlags,
    host: {
      value: 'ADDRESS',
      help: 'address to listen on (default 127.0.0.1); 0.0.0.0 for all interfaces',
    },
    port: {
      value: 'N',
      short: 'p',
      help: 'port, or 0 for a free one (default 8080, or 8443 with TLS)',
    },
    module: { value: 'NAME', help: "name of the module (default the file's name)" },
    exports: { value: 'NAMES', help: 'expose only these functions, separated by commas' },
    watch: { short: 'w', help: 'restart when FILE or a file that it imports changes' },
    cert: { value: 'PATH', help: 'serve TLS with this certificate and its chain' },
    key: { value: 'PATH', help: 'private key of --cert' },
    'client-ca': { value: 'PATH', help: 'authorities whose certificates clients must present' },
    'close-timeout': {
      value: 'TIME',
      help: 'how long calls may take to end on Ctrl-C (default 5s)',
    },
    'hide-stacktraces': { help: 'keep stack traces of exceptions from callers' },
  },
  examples: [
    ['serve string.js --secret-file secret', 'Serve the functions of string.js on port 8080'],
    ['serve string.js --watch --secret-file secret', 'Restart after each change'],
    [
      'serve orders.js --exports find,list --host 0.0.0.0 --cert chain.pem --key key.pem --secret-file secret',
      'Serve two functions over TLS on all interfaces',
    ],
  ],
  async run(args, flags, terminal) {
    const file = resolve(takeArgs(args, ['FILE'])[0]!);
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
      throw new UsageError(`no such file: ${file}`);
    }
    if (flags.has('watch') && !isWatched()) return await runWatched(flags);
    const { modules, interceptors } = await load(file, flags);
    const server = await listen(modules, interceptors, flags);
    terminal.print(`listening on ${server.url}`);
    for (const { module, name, arity } of createRegistry(modules).functions) {
      terminal.print(`  ${module}:${name}/${arity}`);
    }
    await signalled();
    terminal.note('closing...');
    await server.close({ timeout: timeOf(flags, 'close-timeout') });
    setTimeout(() => process.exit(EXIT.ok), EXIT_GRACE).unref();
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

function isWatched(): boolean {
  return process.env['WATCH_REPORT_DEPENDENCIES'] !== undefined;
}

async function runWatched(flags: Flags): Promise<number> {
  if (flags.list('secret-file').includes('-')) {
    throw new UsageError(
      '--watch cannot read the secret from stdin again after a restart: use --secret-file PATH or BACKWATER_SECRET',
    );
  }
  const watching = ['--watch', '--watch-preserve-output', ...process.execArgv];
  const child = spawn(process.execPath, [...watching, ...process.argv.slice(1)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => child.kill(signal));
  }
  const [status] = (await once(child, 'exit')) as [number | null];
  return status ?? EXIT.ok;
}

async function load(file: string, flags: Flags): Promise<ServedExports> {
  let namespace: ModuleNamespace;
  try {
    namespace = (await import(pathToFileURL(file).href)) as ModuleNamespace;
  } catch (cause) {
    const reason = isError(cause) ? `${cause.name}: ${cause.message}` : String(cause);
    const place = isError(cause) ? await placeOfSyntaxError(cause, file) : '';
    throw new UsageError(`cannot import ${basename(file)}: ${reason}${place}`, { cause });
  }
  const interceptors = exportedInterceptors(namespace);
  return { modules: modulesOf(namespace, file, flags), interceptors };
}

async function listen(
  modules: Modules,
  interceptors: ServedExports['interceptors'],
  flags: Flags,
): Promise<Server> {
  const secrets = secretsOf(flags);
  const options: ServerOptions = {
    host: flags.text('host') ?? '127.0.0.1',
    port: numberOf(flags, 'port', { min: 0, max: 65_535 }),
    returnExceptionStacktraces: !flags.has('hide-stacktraces'),
    interceptors,
  };
  const cert = flags.text('cert');
  const key = flags.text('key');
  if (cert === undefined) {
    // A server that was meant to use TLS must not start without it.
    for (const name of ['key', 'client-ca']) {
      if (flags.text(name) !== undefined) throw new UsageError(`--${name} needs --cert`);
    }
    return await startClearServer(secrets, modules, options);
  }
  if (key === undefined) throw new UsageError('--cert needs --key');
  const tls = { cert, key, clientCa: flags.text('client-ca') };
  return await startTlsServer(secrets, modules, { ...options, tls });
}

async function placeOfSyntaxError(error: Error, file: string): Promise<string> {
  if (!(error instanceof SyntaxError)) return '';
  const stack = error.stack ?? '';
  const isOfRunningCode = stack.split('\n').some((line) => /^ +at .*file:/.test(line));
  if (isOfRunningCode) return '';
  const [, url, line] = PLACE.exec(stack) ?? PLACE.exec(await fatalErrorOf(file)) ?? [];
  return url === undefined ? '' : ` (${relative('', fileURLToPath(url))}, line ${line})`;
}

const PLACE = /^(file:[^\n]*):(\d+)$/m;

/** Node's own report says where the syntax error is. */
function fatalErrorOf(file: string): Promise<string> {
  const program = `import ${JSON.stringify(pathToFileURL(file).href)}`;
  const args = ['--input-type=module', '--eval', program];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { timeout: 10_000 }, (_error, _stdout, stderr) => {
      resolve(stderr);
    });
  });
}

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
  const hint = typeof main === 'function' ? ': give its default export a name' : '';
  throw new UsageError(`${basename(file)} exports no named functions${hint}`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

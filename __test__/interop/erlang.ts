import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '../support/root.js';
import { Silence } from '../support/silence.js';
import type { VectorTerm } from '../support/vectors.js';

/** A peer hangs if it stays silent for this many milliseconds. */
const answerTimeout = 240_000;
/** Milliseconds until a peer must end once its stdin is closed. */
const closeTimeout = 2_000;

export interface ErlangServerOptions {
  readonly secret: string | Uint8Array;
  /** Compresses results of at least this many bytes. Default: 300. */
  readonly compressionThreshold?: number;
  /** Bytes. Default: 8 MiB. */
  readonly maxEncodedArgsSize?: number;
  readonly returnExceptionStacktraces?: boolean;
  readonly decodeUnsafeTerms?: boolean;
  /** 1: Latin-1 atoms, as up to OTP 25; 2: UTF-8. */
  readonly minorVersion?: 1 | 2;
  /** Requests per connection. Default: 200. */
  readonly maxKeepalive?: number;
  readonly announce?: boolean;
  /** Idle milliseconds before a connection closes. Default: 60,000. */
  readonly idleTimeout?: number;
  /** Paths of PEM files, for TLS of Erlang's ssl application. */
  readonly certfile?: string;
  readonly keyfile?: string;
  /** The authority of clients' certificates, which are then required. */
  readonly cacertfile?: string;
}

export interface ErlangServer {
  readonly url: string;
  close(): Promise<void>;
}

/** New values of headers; null removes one. */
type HeaderChanges = Readonly<Record<string, string | null>>;

export interface ErlangCallOptions {
  readonly secret?: string | Uint8Array;
  readonly compressionThreshold?: number;
  readonly gzip?: boolean;
  readonly minorVersion?: 1 | 2;
  readonly decodeUnsafeTerms?: boolean;
  readonly maxEncodedResultSize?: number;
  readonly recvTimeout?: number;
  /** Options of ssl in Erlang's syntax: `[{verify, verify_peer}, …]`. */
  readonly ssl?: string;
  /**
   * The name of a connection that, like hackney's, writes head and body separately, with Nagle's
   * algorithm. By default, Erlang's own HTTP client chooses a connection.
   */
  readonly connection?: string;
  /** With `connection`: the size of the body's pieces, with pauses of milliseconds. */
  readonly piece?: number;
  readonly pause?: number;
  /** By default POST, and the call's path, body and random id. */
  readonly method?: string;
  readonly path?: string;
  readonly body?: Uint8Array;
  readonly requestId?: string;
  /** Changed before signing. */
  readonly headers?: HeaderChanges;
  readonly unsigned?: readonly string[];
  /** Changed after signing. */
  readonly tamper?: 'body' | 'signature' | HeaderChanges;
}

interface ErlangResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly packed: boolean;
  /** With `connection`: microseconds from the first byte sent to the last received. */
  readonly elapsed?: number;
}

/** Terms in Erlang's syntax; `etf` holds the encoding in base64. */
export type ErlangResult =
  | (ErlangResponse & { readonly ok: string; readonly etf: string })
  | (ErlangResponse & {
      readonly exception: string;
      readonly class: 'error' | 'exit' | 'throw';
      readonly reason: string;
      readonly reason_etf: string;
      readonly stack: string;
      readonly stack_etf: string;
    })
  | (Partial<ErlangResponse> & {
      readonly failure: string;
      readonly body?: string;
      readonly unauthenticated?: string;
      readonly error?: string;
    });

export interface ErlangClient {
  /** `args` is Erlang text for a list. Calls may overlap. */
  call(
    url: string,
    module: string,
    fn: string,
    args: string,
    options?: ErlangCallOptions,
  ): Promise<ErlangResult>;
  /** Opens a connection in advance, by default with the TLS handshake. */
  open(
    url: string,
    options: { readonly connection: string; readonly ssl?: string; readonly handshake?: boolean },
  ): Promise<{ readonly ok: string } | { readonly failure: string }>;
  close(): Promise<void>;
}

export type ErlangTerm =
  | {
      readonly ok: true;
      readonly used: number;
      readonly printed: string;
      readonly reencoded: string;
    }
  | { readonly error: string };

let available: boolean | undefined;

/** With BACKWATER_REQUIRE_ERLANG=1, fails if Erlang is missing. */
export function erlangAvailable(): boolean {
  available ??=
    spawnSync('erl', ['-noshell', '-eval', 'halt(0).'], { stdio: 'ignore', timeout: answerTimeout })
      .status === 0;
  if (!available && process.env['BACKWATER_REQUIRE_ERLANG'] === '1') {
    throw new Error('BACKWATER_REQUIRE_ERLANG is 1, but `erl` cannot be run');
  }
  return available;
}

export async function startErlangServer(options: ErlangServerOptions): Promise<ErlangServer> {
  const { secret, ...flags } = options;
  const peer = new Peer('server', serverArguments(flags), secret);
  const { port } = (await peer.next()) as { port: number };
  const scheme = options.certfile === undefined ? 'http' : 'https';
  return { url: `${scheme}://127.0.0.1:${port}`, close: () => peer.close() };
}

export function startErlangClient(options: { secret: string | Uint8Array }): ErlangClient {
  const peer = new Peer('client', [], options.secret);
  let lastId = 0;
  return {
    call(url, module, fn, args, callOptions = {}) {
      const id = ++lastId;
      const settings = [`{id, ${id}}`, ...callSettings(callOptions)].join(', ');
      const target = `${text(url)}, ${quotedAtom(module)}, ${quotedAtom(fn)}`;
      peer.write(`{call, ${target}, ${args}, [${settings}]}`);
      return peer.next(id) as Promise<ErlangResult>;
    },
    open(url, { handshake = true, ...options }) {
      const id = ++lastId;
      const settings = [`{id, ${id}}`, `{handshake, ${handshake}}`, ...callSettings(options)];
      peer.write(`{open, ${text(url)}, [${settings.join(', ')}]}`);
      return peer.next(id) as Promise<{ ok: string } | { failure: string }>;
    },
    close: () => peer.close(),
  };
}

export type ErlangDescription =
  | {
      readonly ok: true;
      readonly used: number;
      readonly term: VectorTerm;
      readonly reencoded: string;
      readonly same?: boolean;
    }
  | { readonly error: string };

export interface ErlangTerms {
  /** The last answers are missing if Erlang ends. */
  describe(
    questions: readonly { readonly bytes: Uint8Array; readonly other?: Uint8Array | undefined }[],
  ): Promise<ErlangDescription[]>;
  close(): Promise<void>;
}

export function startErlangTerms(): ErlangTerms {
  const peer = new Peer('terms', ['--print', 'false', '--describe', 'true'], 'none is needed');
  return {
    async describe(questions) {
      const answers = questions.map(() => peer.next() as Promise<ErlangDescription>);
      const lines = questions.map(({ bytes, other }) =>
        [bytes, ...(other === undefined ? [] : [other])]
          .map((encoded) => Buffer.from(encoded).toString('base64'))
          .join(' '),
      );
      if (lines.length > 0) peer.write(lines.join('\n'));
      const settled = await Promise.allSettled(answers);
      return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    },
    close: () => peer.close(),
  };
}

export async function decodeInErlang(encoded: readonly Uint8Array[]): Promise<ErlangTerm[]> {
  const peer = new Peer('terms', [], 'none is needed');
  try {
    const answers = encoded.map(() => peer.next() as Promise<ErlangTerm>);
    const lines = encoded.map((bytes) => Buffer.from(bytes).toString('base64'));
    if (lines.length > 0) peer.write(lines.join('\n'));
    return await Promise.all(answers);
  } finally {
    await peer.close();
  }
}

interface Waiting {
  readonly id: number | undefined;
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** A script never outlives this process. */
class Peer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #kill = (): void => void this.#child.kill('SIGKILL');
  readonly #waiting = new Set<Waiting>();
  readonly #silence = new Silence(answerTimeout, () => {
    this.#fail(new Error(`the Erlang peer has been silent for ${answerTimeout} ms`));
    this.#kill();
  });
  #pieces: string[] = [];
  #complaints = '';
  #failed: Error | undefined;

  constructor(command: string, args: readonly string[], secret: string | Uint8Array) {
    const script = join(projectRoot(), '__test__', 'interop', 'peer.escript');
    this.#child = spawn('escript', [script, command, ...args], {
      env: {
        ...process.env,
        BACKWATER_SECRET_BASE64: Buffer.from(secret).toString('base64'),
        // Erlang takes the encoding of names and messages from the locale.
        LC_ALL: 'C.UTF-8',
      },
    });
    process.once('exit', this.#kill);
    this.#child.stdout.setEncoding('utf8').on('data', (piece: string) => this.#read(piece));
    this.#child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      this.#complaints = (this.#complaints + piece).slice(-10_000);
    });
    this.#child.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => {
      const end = (why: string): void => {
        process.off('exit', this.#kill);
        this.#fail(new Error(`the Erlang peer (${command}) ${why}: ${this.#complaints.trim()}`));
        resolve();
      };
      this.#child.once('error', (error) => end(`cannot be run, ${error.message}`));
      this.#child.once('close', (code, signal) => end(`has ended with ${signal ?? code}`));
    });
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  next(id?: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#failed !== undefined) return reject(this.#failed);
      this.#waiting.add({ id, resolve, reject });
      this.#watch();
    });
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    const timer = setTimeout(this.#kill, closeTimeout);
    await this.#ended;
    clearTimeout(timer);
  }

  #read(piece: string): void {
    const [first = '', ...rest] = piece.split('\n');
    this.#pieces.push(first);
    for (const start of rest) {
      const line = this.#pieces.join('');
      this.#pieces = [start];
      this.#answer(line);
    }
  }

  #answer(line: string): void {
    let answer: { id?: number; invalid?: string };
    try {
      answer = JSON.parse(line) as { id?: number; invalid?: string };
    } catch {
      this.#complaints += `${line}\n`;
      return;
    }
    const { id, ...body } = answer;
    // An answer without an id belongs to the oldest command.
    const candidates = [...this.#waiting];
    const waiting = candidates.find((one) => one.id === id) ?? candidates[0];
    if (waiting === undefined) return;
    this.#waiting.delete(waiting);
    this.#watch();
    if (answer.invalid === undefined) waiting.resolve(body);
    else waiting.reject(new Error(`the Erlang peer refuses the command: ${answer.invalid}`));
  }

  #watch(): void {
    if (this.#waiting.size === 0) this.#silence.end();
    else this.#silence.restart();
  }

  #fail(error: Error): void {
    this.#failed ??= error;
    this.#silence.end();
    for (const waiting of this.#waiting) waiting.reject(this.#failed);
    this.#waiting.clear();
  }
}

function serverArguments(flags: Omit<ErlangServerOptions, 'secret'>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    value === Infinity ? 'infinity' : String(value),
  ]);
}

function callSettings(options: ErlangCallOptions): string[] {
  const settings: string[] = [];
  const set = <T>(name: string, value: T | undefined, write: (value: T) => string): void => {
    if (value !== undefined) settings.push(`{${name}, ${write(value)}}`);
  };
  const number = (value: number): string => (value === Infinity ? 'infinity' : String(value));
  const headers = (changes: HeaderChanges): string => `[${headerChanges(changes).join(', ')}]`;
  set('secret', options.secret, bytes);
  set('compression_threshold', options.compressionThreshold, number);
  set('gzip', options.gzip, String);
  set('minor_version', options.minorVersion, number);
  set('decode_unsafe_terms', options.decodeUnsafeTerms, String);
  set('max_encoded_result_size', options.maxEncodedResultSize, number);
  set('recv_timeout', options.recvTimeout, number);
  set('ssl', options.ssl, String);
  set('connection', options.connection, quotedAtom);
  set('piece', options.piece, number);
  set('pause', options.pause, number);
  set('method', options.method?.toLowerCase(), quotedAtom);
  set('path', options.path, text);
  set('body', options.body, bytes);
  set('request_id', options.requestId, bytes);
  set('headers', options.headers, headers);
  set('unsigned', options.unsigned, (names) => `[${names.map(text).join(', ')}]`);
  set('tamper', options.tamper, (tamper) =>
    typeof tamper === 'string' ? `[${tamper}]` : headers(tamper),
  );
  return settings;
}

function headerChanges(changes: HeaderChanges): string[] {
  return Object.entries(changes).map(
    ([name, value]) => `{${text(name)}, ${value === null ? 'remove' : text(value)}}`,
  );
}

function bytes(value: string | Uint8Array): string {
  return `base64:decode("${Buffer.from(value).toString('base64')}")`;
}

function text(value: string): string {
  return `"${escaped(value, '"')}"`;
}

function quotedAtom(name: string): string {
  return `'${escaped(name, "'")}'`;
}

function escaped(value: string, quote: string): string {
  return value.replace(/[\\"'\n]/g, (character) => {
    if (character === '\n') return '\\n';
    return character === '\\' || character === quote ? `\\${character}` : character;
  });
}

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '../support/root.js';
import { Silence } from '../support/silence.js';
import type { VectorTerm } from '../support/vectors.js';

/** Milliseconds until a peer that says nothing counts as broken. */
const answerTimeout = 240_000;
/** Milliseconds that a peer has to end by itself once its stdin is closed. */
const closeTimeout = 2_000;

export interface ErlangServerOptions {
  readonly secret: string | Uint8Array;
  /** Results of at least this many bytes are gzipped; 300 by default. */
  readonly compressionThreshold?: number;
  /** Bytes; 8 MiB unless told. */
  readonly maxEncodedArgsSize?: number;
  readonly returnExceptionStacktraces?: boolean;
  readonly decodeUnsafeTerms?: boolean;
  /** 1: Latin-1 atoms as OTP 25 and older write them; 2: as OTP 26 and later do. */
  readonly minorVersion?: 1 | 2;
  /** Requests after which a connection is closed; 200 unless told. */
  readonly maxKeepalive?: number;
  /** Whether the last response on a connection says that it is the last. */
  readonly announce?: boolean;
  /** Milliseconds after which an idle connection is closed; 60,000 unless told. */
  readonly idleTimeout?: number;
  /** Paths of PEM files: TLS by Erlang's ssl application. */
  readonly certfile?: string;
  readonly keyfile?: string;
  /** Clients must show a certificate that this authority has issued. */
  readonly cacertfile?: string;
}

export interface ErlangServer {
  readonly url: string;
  close(): Promise<void>;
}

/** A change to a header: its new value, or null to take it away. */
type HeaderChanges = Readonly<Record<string, string | null>>;

export interface ErlangCallOptions {
  /** Instead of the client's own. */
  readonly secret?: string | Uint8Array;
  readonly compressionThreshold?: number;
  /** False: neither sends nor asks for gzip. */
  readonly gzip?: boolean;
  readonly minorVersion?: 1 | 2;
  readonly decodeUnsafeTerms?: boolean;
  readonly maxEncodedResultSize?: number;
  /** Milliseconds. */
  readonly recvTimeout?: number;
  /** Options of Erlang's ssl application, as Erlang text: `[{verify, verify_peer}, …]`. */
  readonly ssl?: string;
  /**
   * The name of the connection to use, which behaves as one of hackney: it writes head and body
   * separately, with Nagle's algorithm. Without a name, Erlang's own HTTP client chooses a connection.
   */
  readonly connection?: string;
  /** With `connection`: the body is written in pieces of this many bytes, with pauses of milliseconds. */
  readonly piece?: number;
  readonly pause?: number;
  /** Instead of POST and of the call's path, body and random id. */
  readonly method?: string;
  readonly path?: string;
  readonly body?: Uint8Array;
  readonly requestId?: string;
  /** Changed before the request is signed. */
  readonly headers?: HeaderChanges;
  /** Headers that are sent, but not signed. */
  readonly unsigned?: readonly string[];
  /** Changed after the request was signed. */
  readonly tamper?: 'body' | 'signature' | HeaderChanges;
}

interface ErlangResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the answer was gzipped. */
  readonly packed: boolean;
  /** With `connection`: microseconds from the first byte of the request to the last of the answer. */
  readonly elapsed?: number;
}

/** Terms are as Erlang prints them on one line; keys with `etf` hold base64 of their encoding. */
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
      /** Why the response could not be authenticated. */
      readonly unauthenticated?: string;
      /** What went wrong on this side, or on the way. */
      readonly error?: string;
    });

export interface ErlangClient {
  /** Calls; `args` is Erlang text for a list. Calls may overlap. */
  call(
    url: string,
    module: string,
    fn: string,
    args: string,
    options?: ErlangCallOptions,
  ): Promise<ErlangResult>;
  /** Opens a connection ahead; without a handshake, TLS is set up only for the first call. */
  open(
    url: string,
    options: { readonly connection: string; readonly ssl?: string; readonly handshake?: boolean },
  ): Promise<{ readonly ok: string } | { readonly failure: string }>;
  close(): Promise<void>;
}

/** What Erlang makes of an encoded term. */
export type ErlangTerm =
  | {
      readonly ok: true;
      readonly used: number;
      readonly printed: string;
      readonly reencoded: string;
    }
  | { readonly error: string };

let available: boolean | undefined;

/**
 * Whether Erlang can be run. Where BACKWATER_REQUIRE_ERLANG is 1, its absence is an error, so that
 * no test is left out unseen.
 */
export function erlangAvailable(): boolean {
  available ??=
    spawnSync('erl', ['-noshell', '-eval', 'halt(0).'], { stdio: 'ignore', timeout: answerTimeout })
      .status === 0;
  if (!available && process.env['BACKWATER_REQUIRE_ERLANG'] === '1') {
    throw new Error('BACKWATER_REQUIRE_ERLANG is 1, but `erl` cannot be run');
  }
  return available;
}

/** Starts an Erlang server on a free port of loopback. */
export async function startErlangServer(options: ErlangServerOptions): Promise<ErlangServer> {
  const { secret, ...flags } = options;
  const peer = new Peer('server', serverArguments(flags), secret);
  const { port } = (await peer.next()) as { port: number };
  const scheme = options.certfile === undefined ? 'http' : 'https';
  return { url: `${scheme}://127.0.0.1:${port}`, close: () => peer.close() };
}

/** Starts an Erlang client. */
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

/** What Erlang makes of an encoded term, with the term in the form of the vectors. */
export type ErlangDescription =
  | {
      readonly ok: true;
      readonly used: number;
      readonly term: VectorTerm;
      readonly reencoded: string;
      /** Whether the other encoding is of the same term, where there was one. */
      readonly same?: boolean;
    }
  | { readonly error: string };

export interface ErlangTerms {
  /**
   * Describes encoded terms, each answer at the place of its question; the last answers are missing
   * when Erlang has ended meanwhile.
   */
  describe(
    questions: readonly { readonly bytes: Uint8Array; readonly other?: Uint8Array | undefined }[],
  ): Promise<ErlangDescription[]>;
  close(): Promise<void>;
}

/** Starts an Erlang that describes terms and compares them. */
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

/** Asks Erlang what it makes of encoded terms, each answer at the place of its question. */
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

/** A running script: lines out, answers in. It never outlives this process. */
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
    // A peer that ends early shows by its end; what was not written does not matter.
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

  /** The answer with that id, or else the next one. */
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
      // The compiler's messages, if the script itself is broken.
      this.#complaints += `${line}\n`;
      return;
    }
    const { id, ...body } = answer;
    // A command that could not be read has no id, so it is the oldest one.
    const candidates = [...this.#waiting];
    const waiting = candidates.find((one) => one.id === id) ?? candidates[0];
    if (waiting === undefined) return;
    this.#waiting.delete(waiting);
    this.#watch();
    if (answer.invalid === undefined) waiting.resolve(body);
    else waiting.reject(new Error(`the Erlang peer refuses the command: ${answer.invalid}`));
  }

  /** Starts the clock anew while something is waited for. */
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

/** An Erlang expression for these bytes. */
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

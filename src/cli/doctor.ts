import { lookup } from 'node:dns/promises';
import { type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { readFileSync } from 'node:fs';
import { connect, isIP } from 'node:net';
import * as tls from 'node:tls';
import type { Client } from '../client/client.js';
import { parseEndpoint, type Endpoint } from '../options/endpoint.js';
import {
  ConnectError,
  ConnectionLostError,
  RemoteError,
  RemoteException,
  ResponseAuthenticationError,
  type UnverifiedResponse,
} from '../errors/errors.js';
import { type Command, type Flags, takeArgs, timeOf } from './command.js';
import { EXIT, messageOf, statusOf } from './exit.js';
import { truncate } from '../platform/inspect.js';
import { clientFlags, clientOf } from './target.js';
import type { Terminal } from './terminal.js';

/** `backwater doctor` */
export const doctor: Command = {
  name: 'doctor',
  summary: 'finds out why calls to a server fail',
  usage: 'URL',
  details: [
    'Looks the name up, connects by TCP and TLS (with --cert and --key, if given), asks whether a backwater server answers, compares the clocks, and makes a signed call to a function that does not exist. Says which step fails, why, and what to do. The exit status is that of a call that fails for the same reason.',
    'Up to TLS, no step takes longer than --connect-timeout, and after that none longer than --recv-timeout; --timeout limits each of them.',
  ],
  flags: clientFlags,
  examples: [
    ['doctor http://127.0.0.1:8080 --secret-file secret', 'a server on this machine'],
    ['doctor https://example.com --ca ca.pem --secret-file secret', 'one with TLS'],
  ],
  async run(args, flags, terminal) {
    const [url] = takeArgs(args, ['URL']);
    const endpoint = parseEndpoint(url!);
    // What is wrong with the flags is told before anything is tried.
    const client = clientOf(url!, flags);
    try {
      return await new Examination(endpoint, client, flags, terminal).run();
    } finally {
      await client.close();
    }
  },
};

/** What a step has found. */
interface Finding {
  readonly text: string;
  /** Something to be looked after, though the step succeeded. */
  readonly warning?: string;
}

/** Why a step failed, and what to do. */
class Failed extends Error {
  readonly advice: string;
  readonly status: number;

  constructor(message: string, advice: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.advice = advice;
    this.status = status;
  }
}

/** From how many seconds on clocks differ so much that it matters. */
const CLOCK_TOLERANCE = 5;
const DAY = 86_400_000;

class Examination {
  readonly #endpoint: Endpoint;
  readonly #client: Client;
  readonly #flags: Flags;
  readonly #terminal: Terminal;
  /** How long a step may take until there is a connection, and then until there is an answer. */
  readonly #connectTimeout: number;
  readonly #recvTimeout: number;

  constructor(endpoint: Endpoint, client: Client, flags: Flags, terminal: Terminal) {
    this.#endpoint = endpoint;
    this.#client = client;
    this.#flags = flags;
    this.#terminal = terminal;
    const most = timeOf(flags, 'timeout') ?? Infinity;
    this.#connectTimeout = Math.min(timeOf(flags, 'connect-timeout') ?? 8000, most);
    this.#recvTimeout = Math.min(timeOf(flags, 'recv-timeout') ?? 5000, most);
  }

  async run(): Promise<number> {
    const { scheme } = this.#endpoint;
    const steps: [string, () => Promise<Finding>][] = [
      ['DNS', () => this.#resolve()],
      ['TCP', () => this.#connect()],
      ...(scheme === 'https' ? [['TLS', () => this.#handshake()] as [string, never]] : []),
      ['backwater', () => this.#identify()],
      ['clock', async () => this.#compareClocks()],
      ['signature', () => this.#signature()],
    ];
    for (const [name, step] of steps) {
      const start = performance.now();
      try {
        const { text, warning } = await step();
        this.#report(warning === undefined ? '✔' : '!', name, text, performance.now() - start);
        if (warning !== undefined) this.#terminal.print(`             ${warning}`);
      } catch (error) {
        const failed = error instanceof Failed ? error : undefined;
        this.#report('✘', name, messageOf(error, this.#flags.has('verbose')));
        if (failed !== undefined) this.#terminal.print(`             → ${failed.advice}`);
        return failed?.status ?? statusOf(error);
      }
    }
    return EXIT.ok;
  }

  #report(sign: '✔' | '!' | '✘', name: string, text: string, time?: number): void {
    const style = sign === '✔' ? 'green' : sign === '!' ? 'yellow' : 'red';
    const took = time === undefined ? '' : this.#terminal.style(` (${time.toFixed(0)} ms)`, 'dim');
    const coloured = this.#terminal.style(sign, style);
    this.#terminal.print(`${coloured} ${name.padEnd(10)} ${text}${took}`);
  }

  async #resolve(): Promise<Finding> {
    const { host } = this.#endpoint;
    if (isIP(host) !== 0) return { text: `${host} is an address` };
    try {
      const addresses = await within(this.#connectTimeout, lookup(host, { all: true }), () => {
        const advice = 'can this machine reach its DNS server?';
        return new Failed(
          this.#late(`no address of ${host}`, this.#connectTimeout),
          advice,
          EXIT.timeout,
        );
      });
      return { text: `${host} is ${addresses.map(({ address }) => address).join(', ')}` };
    } catch (cause) {
      if (cause instanceof Failed) throw cause;
      const { code = '' } = cause as NodeJS.ErrnoException;
      const advice =
        code === 'ENOTFOUND'
          ? 'is the name spelled right, and known to the DNS that this machine asks?'
          : 'can this machine reach its DNS server?';
      throw new Failed(`${host} has no address: ${code}`, advice, EXIT.connect, { cause });
    }
  }

  #late(what: string, limit: number): string {
    return `${what} within ${limit} ms`;
  }

  async #connect(): Promise<Finding> {
    const { host, port } = this.#endpoint;
    const socket = connect({ host, port });
    const connected = new Promise<Finding>((resolve, reject) => {
      socket.once('connect', () => {
        resolve({ text: `connected to ${socket.remoteAddress} port ${socket.remotePort}` });
      });
      socket.once('error', (cause: NodeJS.ErrnoException) => {
        const code = cause.code ?? cause.message;
        const advice =
          code === 'ECONNREFUSED'
            ? 'is the server running, on this port, and not only on its own loopback address?'
            : 'is the address right, and is there a way from this machine to it?';
        const message = `no connection to ${host} port ${port}: ${code}`;
        reject(new Failed(message, advice, EXIT.connect, { cause }));
      });
    });
    try {
      return await within(this.#connectTimeout, connected, () => {
        const message = this.#late(`no answer from ${host} port ${port}`, this.#connectTimeout);
        const advice = 'is the address right, and does no firewall drop what goes there?';
        return new Failed(message, advice, EXIT.timeout);
      });
    } finally {
      socket.destroy();
    }
  }

  async #handshake(): Promise<Finding> {
    const { host, port } = this.#endpoint;
    const { name } = this;
    const socket = tls.connect({ host, port, ...this.#tlsOptions() });
    const secured = new Promise<Finding>((resolve, reject) => {
      socket.once('secureConnect', () => {
        const { subject, valid_to: end } = socket.getPeerCertificate();
        const left = Math.floor((Date.parse(end) - Date.now()) / DAY);
        const own = this.#flags.text('cert') === undefined ? '' : ', with a client certificate';
        const text = `${socket.getProtocol()}, ${socket.getCipher().name}, certificate of ${subject?.CN ?? name} for ${left} more days${own}`;
        resolve(left > 14 ? { text } : { text, warning: 'the certificate ends soon: renew it' });
      });
      socket.once('error', (cause: TlsFailure) => {
        const advice = tlsAdvice(cause.code ?? '');
        reject(new Failed(`no TLS: ${tlsReason(cause, name)}`, advice, EXIT.connect, { cause }));
      });
    });
    try {
      return await within(this.#connectTimeout, secured, () => {
        const message = this.#late('no TLS handshake', this.#connectTimeout);
        return new Failed(message, 'does the server speak TLS on this port?', EXIT.timeout);
      });
    } finally {
      socket.destroy();
    }
  }

  /** The name that the server's certificate must have. */
  get name(): string {
    return this.#flags.text('servername') ?? this.#endpoint.host;
  }

  #tlsOptions(): tls.ConnectionOptions {
    const { name } = this;
    return {
      ...(isIP(name) === 0 ? { servername: name } : {}),
      checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate),
      ...this.#certificates(),
    };
  }

  #certificates(): { ca?: Buffer[]; cert?: Buffer; key?: Buffer } {
    const ca = this.#flags.list('ca').map((path) => readFileSync(path));
    const cert = this.#flags.text('cert');
    const key = this.#flags.text('key');
    return {
      ...(ca.length === 0 ? {} : { ca }),
      ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
      ...(key === undefined ? {} : { key: readFileSync(key) }),
    };
  }

  /** A request that is not signed: backwater demands a signature in a way of its own. */
  async #identify(): Promise<Finding> {
    const { scheme } = this.#endpoint;
    this.#asked = Date.now();
    const asked = (scheme === 'https' ? secureRequest : request)({
      host: this.#endpoint.host,
      port: this.#endpoint.port,
      path: '/backwater/1/backwater_doctor/examine/0',
      method: 'POST',
      agent: false,
      ...(scheme === 'https' ? this.#tlsOptions() : {}),
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      asked.once('response', resolve);
      asked.once('error', (cause: TlsFailure) => reject(noAnswer(cause, scheme)));
      asked.end();
    });
    try {
      const response = await within(this.#recvTimeout, answered, () => {
        const message = this.#late('no answer by HTTP', this.#recvTimeout);
        return new Failed(
          message,
          'is the server busy, or another one on this port?',
          EXIT.timeout,
        );
      });
      const body = await within(this.#recvTimeout, textOf(response), () => {
        const message = this.#late('no complete answer by HTTP', this.#recvTimeout);
        return new Failed(
          message,
          'is there a proxy or another server on this port?',
          EXIT.timeout,
        );
      });
      this.#date = response.headers.date;
      return identity(response, body);
    } finally {
      asked.destroy();
    }
  }

  /** When the request was sent that any answer to has the server's time, and that time. */
  #asked = 0;
  #date: string | undefined;

  #compareClocks(): Finding {
    const [before, date] = [this.#asked, this.#date];
    const theirs = date === undefined ? NaN : Date.parse(date);
    if (Number.isNaN(theirs)) return { text: 'the server does not tell its time' };
    // The server's time is in whole seconds, and of some moment since the question.
    const [early, late] = [theirs + 1000 - before, theirs - Date.now()];
    const difference = Math.round((early < 0 ? early : Math.max(late, 0)) / 1000);
    const direction = difference < 0 ? 'behind' : 'ahead';
    const text =
      Math.abs(difference) <= 1
        ? 'the clocks agree'
        : `the server is ${Math.abs(difference)} s ${direction}`;
    return Math.abs(difference) <= CLOCK_TOLERANCE
      ? { text }
      : {
          text,
          warning: 'servers that refuse old requests need the same time: set the clocks by NTP',
        };
  }

  /** A call to a function that does not exist: a server with the same secret says so, signed. */
  async #signature(): Promise<Finding> {
    try {
      await this.#client.call('backwater_doctor', 'examine', []);
      return { text: 'the server answers calls' };
    } catch (error) {
      if (error instanceof RemoteException) return { text: 'the server answers calls' };
      if (error instanceof RemoteError) return this.#refusal(error);
      if (error instanceof ResponseAuthenticationError) {
        const { unverified } = error;
        const isSecret = unverified?.status === 401 && unverified.body === 'invalid_signature';
        const message = isSecret ? 'wrong secret: the server has another one' : error.message;
        const advice = authenticationAdvice(unverified, this.#flags.text('caller'));
        throw new Failed(message, advice, EXIT.authentication, { cause: error });
      }
      const advice =
        error instanceof ConnectError || error instanceof ConnectionLostError
          ? 'the steps before succeeded: try again, or look at the log of the server'
          : 'see docs/errors.md for this error';
      throw new Failed(messageOf(error, false), advice, statusOf(error), { cause: error });
    }
  }

  #refusal(error: RemoteError): Finding {
    const expected = error.httpStatus === 403 || error.httpStatus === 404;
    if (expected) return { text: 'both sides have the same secret' };
    const advice = `the secret is right, but ${refusalAdvice(error.reason)}`;
    throw new Failed(error.message, advice, EXIT.refused, { cause: error });
  }
}

/** Whether it is backwater that answered a request without a signature. */
function identity({ statusCode = 0, headers }: IncomingMessage, body: string): Finding {
  const challenge = String(headers['www-authenticate'] ?? '');
  if (statusCode === 401 && /^Signature .*realm="backwater"/.test(challenge)) {
    return { text: 'a backwater server answers' };
  }
  const advice =
    statusCode === 403 && body === 'client_certificate_required'
      ? 'the server wants a client certificate: give one by --cert and --key'
      : statusCode === 400 && body.includes('speaks TLS')
        ? 'write https:// instead of http://'
        : 'is the port right, and is there a proxy or another server on it?';
  const server = headers.server === undefined ? '' : ` (${truncate(String(headers.server), 100)})`;
  const message = `no backwater server here: the answer is ${statusCode}${server}`;
  const status = advice.includes('certificate') ? EXIT.connect : EXIT.authentication;
  throw new Failed(message, advice, status);
}

/** The begin of a body; what a stranger sends more is of no interest. */
async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > 1000) break;
  }
  return text;
}

function noAnswer(cause: TlsFailure, scheme: string): Failed {
  const code = cause.code ?? '';
  // With TLS 1.3 a server says only after the handshake what it thinks of the client's certificate.
  if (scheme === 'https' && code.includes('ALERT')) {
    const message = `no TLS: ${cause.reason ?? cause.message}`;
    return new Failed(message, tlsAdvice(code), EXIT.connect, { cause });
  }
  const advice =
    code.startsWith('HPE_') || code === 'ECONNRESET'
      ? `does the server speak ${scheme === 'http' ? 'HTTP without TLS (or is it https?)' : 'HTTP'} on this port?`
      : 'is there a proxy or another server on this port?';
  return new Failed(`no answer by HTTP: ${cause.message}`, advice, EXIT.connect, { cause });
}

/** The promise's value, or the failure if that takes longer than so many milliseconds. */
async function within<T>(limit: number, promise: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<never>((_resolve, reject) => {
    if (Number.isFinite(limit)) timer = setTimeout(() => reject(late()), limit);
  });
  // Whichever comes second fails for nobody.
  promise.catch(() => {});
  try {
    return await Promise.race([promise, passed]);
  } finally {
    clearTimeout(timer);
  }
}

function authenticationAdvice(
  unverified: UnverifiedResponse | undefined,
  caller: string | undefined,
): string {
  if (unverified?.status === 401) {
    if (caller !== undefined) {
      return `does the server have this secret under the name '${caller}'? Both must be the same there`;
    }
    return 'give both sides the same secret: the same bytes, without a line end that only one of them has';
  }
  if (unverified?.status === 403 && unverified.body === 'client_certificate_required') {
    return 'give a client certificate by --cert and --key';
  }
  if (unverified?.status === 400 && unverified.body.includes('speaks TLS')) {
    return 'write https:// instead of http://';
  }
  return 'is it a backwater server that answers, and nothing in between changes its answers?';
}

function refusalAdvice(reason: string): string {
  switch (reason) {
    case 'missing_created':
      return 'the server demands protection against replay: use --replay-protection';
    case 'missing_audience':
    case 'wrong_audience':
      return 'the server takes only requests that are for it: name it by --audience';
    case 'stale_request':
      return 'for the server the request is too old, or of the future: set the clocks by NTP';
    default:
      return 'the server refuses calls: look at its log';
  }
}

interface TlsFailure extends NodeJS.ErrnoException {
  readonly reason?: string;
  readonly cert?: Partial<tls.PeerCertificate>;
}

function tlsReason(failure: TlsFailure, name: string): string {
  if (failure.code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return failure.reason ?? failure.message;
  const names = failure.cert?.subjectaltname;
  return `the certificate is not for ${name}, but for ${names ?? 'no name at all'}`;
}

function tlsAdvice(code: string): string {
  switch (code) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_GET_ISSUER_CERT':
      return 'give the certificate of who has issued it by --ca PATH, or have the server send the whole chain';
    case 'CERT_HAS_EXPIRED':
      return "renew the server's certificate, or set the clock of this machine";
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'use a name that the certificate has, or say by --servername which it is';
    case 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED':
    case 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE':
      return 'the server wants a client certificate: give one by --cert and --key';
    case 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA':
    case 'ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR':
    case 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE':
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED':
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN':
      return 'the server refuses the certificate of --cert: has an authority issued it that the server trusts, and is it valid?';
    case 'ECONNRESET':
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'does the server speak TLS on this port (or is it http://?), and does it ask for a certificate (--cert, --key)?';
    default:
      return 'look at the certificate and at the log of the server';
  }
}

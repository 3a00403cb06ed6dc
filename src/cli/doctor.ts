import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { readFileSync } from 'node:fs';
import { isIP, type Socket } from 'node:net';
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

export const doctor: Command = {
  name: 'doctor',
  summary: 'Find out why calls to a server fail',
  usage: 'URL [OPTIONS]',
  details: [
    'Resolves the name, connects over TCP and TLS, checks that a backwater server answers, compares the clocks, and makes a signed call to a function that does not exist. Reports which step fails, why, and what to do. The exit status is the same as for `backwater call`.',
    '--connect-timeout limits each step up to TLS, --recv-timeout each later step, and --timeout any step.',
  ],
  flags: {},
  connection: clientFlags,
  examples: [
    ['doctor 127.0.0.1 --secret-file secret', 'Examine a server on this machine'],
    ['doctor https://example.com --ca ca.pem --secret-file secret', 'Examine a server with TLS'],
  ],
  async run(args, flags, terminal) {
    const [url] = takeArgs(args, ['URL']);
    const endpoint = parseEndpoint(url!);
    const examination = new Examination(endpoint, clientOf(url!, flags), flags, terminal);
    try {
      return await examination.run();
    } finally {
      await examination.close();
    }
  },
};

interface Finding {
  readonly text: string;
  readonly warning?: string;
}

class Failed extends Error {
  readonly advice: string;
  readonly status: number;

  constructor(message: string, advice: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.advice = advice;
    this.status = status;
  }
}

/** In seconds. */
const CLOCK_TOLERANCE = 5;
const DAY = 86_400_000;

const ANOTHER_SERVER = 'check the port: a proxy or another server may be using it';
const UNKNOWN_NAME =
  'check the spelling of the name, and that the DNS server of this machine knows it';
const CLIENT_CERTIFICATE =
  'pass a client certificate with --cert and --key: the server requires one';

class Examination {
  readonly #endpoint: Endpoint;
  readonly #client: Client;
  readonly #flags: Flags;
  readonly #terminal: Terminal;
  /** For the steps up to TLS and those after it, in milliseconds. */
  readonly #connectTimeout: number;
  readonly #recvTimeout: number;
  /** The steps up to `backwater` wait for its events. */
  readonly #request: ClientRequest;
  /** Rejects when the connection or the request fails. */
  readonly #failure: Promise<never>;

  constructor(endpoint: Endpoint, client: Client, flags: Flags, terminal: Terminal) {
    this.#endpoint = endpoint;
    this.#client = client;
    this.#flags = flags;
    this.#terminal = terminal;
    const most = timeOf(flags, 'timeout') ?? Infinity;
    this.#connectTimeout = Math.min(timeOf(flags, 'connect-timeout') ?? 8000, most);
    this.#recvTimeout = Math.min(timeOf(flags, 'recv-timeout') ?? 5000, most);
    const { scheme, host, port } = endpoint;
    this.#request = (scheme === 'https' ? secureRequest : request)({
      host,
      port,
      path: '/backwater/1/backwater_doctor/examine/0',
      method: 'POST',
      agent: false,
      ...(scheme === 'https' ? this.#tlsOptions() : {}),
    });
    this.#failure = new Promise((_resolve, reject) => this.#request.on('error', reject));
    this.#failure.catch(() => {});
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
    await once(this.#request, 'socket');
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

  async close(): Promise<void> {
    this.#request.destroy();
    await this.#client.close();
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
    const addresses: string[] = [];
    const found = new Promise<void>((resolve) => {
      this.#socket.on('lookup', (error: Error | null, address: string) => {
        if (error === null) resolve(void addresses.push(address));
      });
    });
    const advice = 'check that this machine can reach its DNS server';
    await this.#part(found, this.#connectTimeout, [`no address for ${host}`, advice], (cause) => {
      const { code = '' } = cause;
      const message = `no address for ${host}: ${code}`;
      return new Failed(message, code === 'ENOTFOUND' ? UNKNOWN_NAME : advice, EXIT.connect, {
        cause,
      });
    });
    return { text: `${host} resolves to ${addresses.join(', ')}` };
  }

  get #socket(): Socket {
    return this.#request.socket!;
  }

  /** @param late what is missing if the limit has passed, and advice */
  async #part<T>(
    part: Promise<T>,
    limit: number,
    late: readonly [what: string, advice: string],
    failed: (cause: TlsFailure) => Error,
  ): Promise<T> {
    const [what, advice] = late;
    let timer: NodeJS.Timeout | undefined;
    const passed = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        reject(new Failed(`${what} within ${limit} ms`, advice, EXIT.timeout));
      }, limit);
    });
    try {
      return await Promise.race([part, passed, this.#failure]);
    } catch (cause) {
      throw cause instanceof Failed ? cause : failed(cause as TlsFailure);
    } finally {
      clearTimeout(timer);
    }
  }

  async #connect(): Promise<Finding> {
    const { host, port } = this.#endpoint;
    const place = `${host} port ${port}`;
    const silence = 'check the address, and that no firewall drops the packets';
    const connected = once(this.#socket, 'connect');
    const late = [`no answer from ${place}`, silence] as const;
    await this.#part(connected, this.#connectTimeout, late, (cause) => {
      const code = cause.code ?? cause.message;
      const elsewhere = /^(127\.|::1$|localhost$)/.test(host)
        ? ''
        : ', and does not listen on its loopback address only';
      const advice =
        code === 'ECONNREFUSED'
          ? `check that the server is running and uses this port${elsewhere}`
          : 'check the address and the route from this machine to it';
      return new Failed(`no connection to ${place}: ${code}`, advice, EXIT.connect, { cause });
    });
    return { text: `connected to ${this.#socket.remoteAddress} port ${this.#socket.remotePort}` };
  }

  async #handshake(): Promise<Finding> {
    const { name } = this;
    const socket = this.#socket as tls.TLSSocket;
    const secured = once(socket, 'secureConnect');
    const late = ['no TLS handshake', 'check that the server speaks TLS on this port'] as const;
    await this.#part(secured, this.#connectTimeout, late, (cause) => {
      const message = `handshake failed: ${tlsReason(cause, name)}`;
      return new Failed(message, tlsAdvice(cause.code ?? ''), EXIT.connect, { cause });
    });
    const { subject, valid_to: end } = socket.getPeerCertificate();
    const left = Math.floor((Date.parse(end) - Date.now()) / DAY);
    const own = this.#flags.text('cert') === undefined ? '' : ', with a client certificate';
    const text = `${socket.getProtocol()}, ${socket.getCipher().name}, certificate of ${subject?.CN ?? name} valid for ${left} more days${own}`;
    return left > 14 ? { text } : { text, warning: 'the certificate expires soon: renew it' };
  }

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

  /** Only a backwater server answers an unsigned request with this challenge. */
  async #identify(): Promise<Finding> {
    this.#asked = Date.now();
    const answered = once(this.#request, 'response') as Promise<[IncomingMessage]>;
    this.#request.end();
    const overload =
      'check that the server is not overloaded, and that no other server uses this port';
    const late = ['no HTTP response', overload] as const;
    const [response] = await this.#part(answered, this.#recvTimeout, late, (cause) =>
      noAnswer(cause, this.#endpoint.scheme),
    );
    const body = await this.#part(
      textOf(response),
      this.#recvTimeout,
      ['no complete HTTP response', ANOTHER_SERVER],
      (cause) => cause,
    );
    this.#date = response.headers.date;
    return identity(response, body);
  }

  #asked = 0;
  #date: string | undefined;

  #compareClocks(): Finding {
    const [before, date] = [this.#asked, this.#date];
    const theirs = date === undefined ? NaN : Date.parse(date);
    if (Number.isNaN(theirs)) return { text: 'the server does not send its time' };
    // The server's time is in whole seconds, taken at some moment since the request.
    const [early, late] = [theirs + 1000 - before, theirs - Date.now()];
    const difference = Math.round((early < 0 ? early : Math.max(late, 0)) / 1000);
    const direction = difference < 0 ? 'behind' : 'ahead';
    const text =
      Math.abs(difference) <= 1
        ? 'the clocks agree'
        : `the server's clock is ${Math.abs(difference)} s ${direction}`;
    return Math.abs(difference) <= CLOCK_TOLERANCE
      ? { text }
      : {
          text,
          warning: 'replay protection needs synchronized clocks: use NTP',
        };
  }

  /** A server with the same secret signs its refusal. */
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
        const message = isSecret ? 'wrong secret: the server has a different one' : error.message;
        const advice = authenticationAdvice(unverified, this.#flags.text('caller'));
        throw new Failed(message, advice, EXIT.authentication, { cause: error });
      }
      const advice =
        error instanceof ConnectError || error instanceof ConnectionLostError
          ? "try again, or check the server's log: the previous steps succeeded"
          : 'look up the error in docs/errors.md';
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

function identity({ statusCode = 0, headers }: IncomingMessage, body: string): Finding {
  const challenge = String(headers['www-authenticate'] ?? '');
  if (statusCode === 401 && /^Signature .*realm="backwater"/.test(challenge)) {
    return { text: 'a backwater server answers' };
  }
  const advice = answerAdvice(statusCode, body) ?? ANOTHER_SERVER;
  const server = headers.server === undefined ? '' : ` (${truncate(String(headers.server), 100)})`;
  const message = `not a backwater server: the response is ${statusCode}${server}`;
  const status = advice === CLIENT_CERTIFICATE ? EXIT.connect : EXIT.authentication;
  throw new Failed(message, advice, status);
}

/** For answers of backwater servers that are not signed. */
function answerAdvice(status: number, body: string): string | undefined {
  if (status === 403 && body === 'client_certificate_required') return CLIENT_CERTIFICATE;
  if (status === 400 && body.includes('speaks TLS')) return 'use https:// instead of http://';
  return undefined;
}

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
  // With TLS 1.3, a server rejects a certificate only after the handshake.
  if (scheme === 'https' && code.includes('ALERT')) {
    const message = `TLS failed: ${cause.reason ?? cause.message}`;
    return new Failed(message, tlsAdvice(code), EXIT.connect, { cause });
  }
  const advice =
    code.startsWith('HPE_') || code === 'ECONNRESET'
      ? `check that the server speaks HTTP on this port${scheme === 'http' ? ', or use https://' : ''}`
      : ANOTHER_SERVER;
  return new Failed(`no HTTP response: ${cause.message}`, advice, EXIT.connect, { cause });
}

function authenticationAdvice(
  unverified: UnverifiedResponse | undefined,
  caller: string | undefined,
): string {
  const { status = 0, body = '' } = unverified ?? {};
  if (status !== 401) {
    const other = 'check that a backwater server answers, and that no proxy changes its answers';
    return answerAdvice(status, body) ?? other;
  }
  return caller === undefined
    ? 'give both sides the same bytes; a trailing line break counts'
    : `check that the server has this secret under the name '${caller}'`;
}

function refusalAdvice(reason: string): string {
  switch (reason) {
    case 'missing_created':
      return 'the server requires replay protection: use --replay-protection';
    case 'missing_audience':
    case 'wrong_audience':
      return 'the server requires its name: use --audience NAME';
    case 'stale_request':
      return 'the clocks of client and server differ: synchronize them with NTP';
    default:
      return 'the server refuses calls: check its log';
  }
}

interface TlsFailure extends NodeJS.ErrnoException {
  readonly reason?: string;
  readonly cert?: Partial<tls.PeerCertificate>;
}

function tlsReason(failure: TlsFailure, name: string): string {
  if (failure.code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return failure.reason ?? failure.message;
  const names = failure.cert?.subjectaltname;
  return `the certificate is for ${names ?? 'no name'}, not for ${name}`;
}

function tlsAdvice(code: string): string {
  switch (code) {
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_GET_ISSUER_CERT':
      return 'pass the certificate of the issuing authority with --ca PATH, or make the server send the whole chain';
    case 'CERT_HAS_EXPIRED':
      return "renew the server's certificate, or correct the clock of this machine";
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'use a name from the certificate in the URL, or pass it with --servername';
    case 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED':
    case 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE':
      return CLIENT_CERTIFICATE;
    case 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA':
    case 'ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR':
    case 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE':
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED':
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN':
      return 'the server refuses the certificate of --cert: check that it is valid and that the server trusts its authority';
    case 'ECONNRESET':
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'check that the server speaks TLS on this port (otherwise use http://), and whether it requires a certificate (--cert and --key)';
    default:
      return "check the certificate and the server's log";
  }
}

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
    const client = clientOf(url!, flags);
    try {
      return await new Examination(endpoint, client, flags, terminal).run();
    } finally {
      await client.close();
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
        return new Failed(
          this.#late(`no address for ${host}`, this.#connectTimeout),
          'check that this machine can reach its DNS server',
          EXIT.timeout,
        );
      });
      return {
        text: `${host} resolves to ${addresses.map(({ address }) => address).join(', ')}`,
      };
    } catch (cause) {
      if (cause instanceof Failed) throw cause;
      const { code = '' } = cause as NodeJS.ErrnoException;
      const advice =
        code === 'ENOTFOUND'
          ? 'check the spelling of the name, and that the DNS server of this machine knows it'
          : 'check that this machine can reach its DNS server';
      throw new Failed(`no address for ${host}: ${code}`, advice, EXIT.connect, { cause });
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
        const elsewhere = /^(127\.|::1$|localhost$)/.test(host)
          ? ''
          : ', and does not listen on its loopback address only';
        const advice =
          code === 'ECONNREFUSED'
            ? `check that the server is running and uses this port${elsewhere}`
            : 'check the address and the route from this machine to it';
        const message = `no connection to ${host} port ${port}: ${code}`;
        reject(new Failed(message, advice, EXIT.connect, { cause }));
      });
    });
    try {
      return await within(this.#connectTimeout, connected, () => {
        const message = this.#late(`no answer from ${host} port ${port}`, this.#connectTimeout);
        const advice = 'check the address, and that no firewall drops the packets';
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
        const text = `${socket.getProtocol()}, ${socket.getCipher().name}, certificate of ${subject?.CN ?? name} valid for ${left} more days${own}`;
        resolve(left > 14 ? { text } : { text, warning: 'the certificate expires soon: renew it' });
      });
      socket.once('error', (cause: TlsFailure) => {
        const advice = tlsAdvice(cause.code ?? '');
        reject(
          new Failed(`handshake failed: ${tlsReason(cause, name)}`, advice, EXIT.connect, {
            cause,
          }),
        );
      });
    });
    try {
      return await within(this.#connectTimeout, secured, () => {
        const message = this.#late('no TLS handshake', this.#connectTimeout);
        return new Failed(message, 'check that the server speaks TLS on this port', EXIT.timeout);
      });
    } finally {
      socket.destroy();
    }
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
        const message = this.#late('no HTTP response', this.#recvTimeout);
        return new Failed(
          message,
          'check that the server is not overloaded, and that no other server uses this port',
          EXIT.timeout,
        );
      });
      const body = await within(this.#recvTimeout, textOf(response), () => {
        const message = this.#late('no complete HTTP response', this.#recvTimeout);
        return new Failed(message, ANOTHER_SERVER, EXIT.timeout);
      });
      this.#date = response.headers.date;
      return identity(response, body);
    } finally {
      asked.destroy();
    }
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
  const advice =
    statusCode === 403 && body === 'client_certificate_required'
      ? CLIENT_CERTIFICATE
      : statusCode === 400 && body.includes('speaks TLS')
        ? 'use https:// instead of http://'
        : ANOTHER_SERVER;
  const server = headers.server === undefined ? '' : ` (${truncate(String(headers.server), 100)})`;
  const message = `not a backwater server: the response is ${statusCode}${server}`;
  const status = advice === CLIENT_CERTIFICATE ? EXIT.connect : EXIT.authentication;
  throw new Failed(message, advice, status);
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

async function within<T>(limit: number, promise: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<never>((_resolve, reject) => {
    if (Number.isFinite(limit)) timer = setTimeout(() => reject(late()), limit);
  });
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
      return `check that the server has this secret under the name '${caller}'`;
    }
    return 'give both sides the same bytes; a trailing line break counts';
  }
  if (unverified?.status === 403 && unverified.body === 'client_certificate_required') {
    return CLIENT_CERTIFICATE;
  }
  if (unverified?.status === 400 && unverified.body.includes('speaks TLS')) {
    return 'use https:// instead of http://';
  }
  return 'check that a backwater server answers, and that no proxy changes its answers';
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

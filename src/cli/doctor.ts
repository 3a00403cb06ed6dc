import { lookup } from 'node:dns/promises';
import { request } from 'node:http';
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
import { clientFlags, clientOf } from './target.js';
import type { Terminal } from './terminal.js';

/** `backwater doctor` */
export const doctor: Command = {
  name: 'doctor',
  summary: 'finds out why calls to a server fail',
  usage: 'URL',
  details: [
    'Looks the name up, connects by TCP and TLS, compares the clocks, and makes a signed call of a function that there is not. Says which step fails, why, and what to do. The exit status is that of a call that fails for the same reason.',
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
  readonly #timeout: number;

  constructor(endpoint: Endpoint, client: Client, flags: Flags, terminal: Terminal) {
    this.#endpoint = endpoint;
    this.#client = client;
    this.#flags = flags;
    this.#terminal = terminal;
    this.#timeout = timeOf(flags, 'connect-timeout') ?? 8000;
  }

  async run(): Promise<number> {
    const { scheme } = this.#endpoint;
    const steps: [string, () => Promise<Finding>][] = [
      ['DNS', () => this.#resolve()],
      ['TCP', () => this.#connect()],
      ...(scheme === 'https' ? [['TLS', () => this.#handshake()] as [string, never]] : []),
      ['clock', () => this.#clock()],
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
      const addresses = await lookup(host, { all: true });
      return { text: `${host} is ${addresses.map(({ address }) => address).join(', ')}` };
    } catch (cause) {
      const { code = '' } = cause as NodeJS.ErrnoException;
      const advice =
        code === 'ENOTFOUND'
          ? 'is the name spelled right, and known to the DNS that this machine asks?'
          : 'can this machine reach its DNS server?';
      throw new Failed(`${host} has no address: ${code}`, advice, EXIT.connect, { cause });
    }
  }

  #connect(): Promise<Finding> {
    const { host, port } = this.#endpoint;
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, timeout: this.#timeout });
      socket.once('connect', () => {
        const { remoteAddress, remotePort } = socket;
        socket.destroy();
        resolve({ text: `connected to ${remoteAddress} port ${remotePort}` });
      });
      socket.once('timeout', () => {
        socket.destroy();
        reject(
          new Failed(
            `no answer from ${host} port ${port} within ${this.#timeout} ms`,
            'is the address right, and does no firewall drop what goes there?',
            EXIT.timeout,
          ),
        );
      });
      socket.once('error', (cause: NodeJS.ErrnoException & { errors?: Error[] }) => {
        const code = cause.code ?? cause.message;
        const advice =
          code === 'ECONNREFUSED'
            ? 'is the server running, on this port, and not only on its own loopback address?'
            : 'is the address right, and is there a way from this machine to it?';
        const message = `no connection to ${host} port ${port}: ${code}`;
        reject(new Failed(message, advice, EXIT.connect, { cause }));
      });
    });
  }

  #handshake(): Promise<Finding> {
    const { host, port } = this.#endpoint;
    const name = this.#flags.text('servername') ?? host;
    return new Promise((resolve, reject) => {
      const socket = tls.connect({
        host,
        port,
        ...(isIP(name) === 0 ? { servername: name } : {}),
        checkServerIdentity: (_host, certificate) => tls.checkServerIdentity(name, certificate),
        timeout: this.#timeout,
        ...this.#certificates(),
      });
      socket.once('secureConnect', () => {
        const { subject, valid_to: end } = socket.getPeerCertificate();
        const left = Math.floor((Date.parse(end) - Date.now()) / DAY);
        const text = `${socket.getProtocol()}, ${socket.getCipher().name}, certificate of ${subject?.CN ?? name} for ${left} more days`;
        socket.destroy();
        resolve(left > 14 ? { text } : { text, warning: 'the certificate ends soon: renew it' });
      });
      socket.once('timeout', () => {
        socket.destroy();
        const message = `no TLS handshake within ${this.#timeout} ms`;
        reject(new Failed(message, 'does the server speak TLS on this port?', EXIT.timeout));
      });
      socket.once('error', (cause: TlsFailure) => {
        const advice = tlsAdvice(cause.code ?? '');
        reject(new Failed(`no TLS: ${tlsReason(cause, name)}`, advice, EXIT.connect, { cause }));
      });
    });
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

  /** Any answer has the server's time. */
  async #clock(): Promise<Finding> {
    const { scheme, host, port } = this.#endpoint;
    const before = Date.now();
    const name = this.#flags.text('servername') ?? host;
    const options = {
      host,
      port,
      path: '/',
      timeout: this.#timeout,
      agent: false,
      ...(scheme === 'https'
        ? {
            ...(isIP(name) === 0 ? { servername: name } : {}),
            checkServerIdentity: (_host: string, certificate: tls.PeerCertificate) =>
              tls.checkServerIdentity(name, certificate),
            ...this.#certificates(),
          }
        : {}),
    };
    const { date, status } = await new Promise<{
      date?: string | undefined;
      status?: number | undefined;
    }>((resolve, reject) => {
      const asked = (scheme === 'https' ? secureRequest : request)(options, (response) => {
        response.resume();
        resolve({ date: response.headers.date, status: response.statusCode });
      });
      asked.once('timeout', () => asked.destroy(new Error('no answer in time')));
      asked.once('error', (cause: NodeJS.ErrnoException) => {
        const code = cause.code ?? '';
        const text = `no answer by HTTP: ${cause.message}`;
        const advice =
          code === 'HPE_INVALID_CONSTANT' || code.startsWith('HPE_') || code === 'ECONNRESET'
            ? `does the server speak ${scheme === 'http' ? 'HTTP without TLS (or is it https?)' : 'HTTP'} on this port?`
            : 'is there a proxy or another server on this port?';
        const status = /in time/.test(cause.message) ? EXIT.timeout : EXIT.connect;
        reject(new Failed(text, advice, status, { cause }));
      });
      asked.end();
    });
    const theirs = date === undefined ? NaN : Date.parse(date);
    if (Number.isNaN(theirs)) return { text: `answers ${status}, and does not tell its time` };
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

  /** A call of a function that there is not: a server with the same secret says so, signed. */
  async #signature(): Promise<Finding> {
    try {
      await this.#client.call('backwater_doctor', 'examine', []);
      return { text: 'the server answers calls' };
    } catch (error) {
      if (error instanceof RemoteException) return { text: 'the server answers calls' };
      if (error instanceof RemoteError) return this.#refusal(error);
      if (error instanceof ResponseAuthenticationError) {
        const advice = authenticationAdvice(error.unverified, this.#flags.text('caller'));
        throw new Failed(error.message, advice, EXIT.authentication, { cause: error });
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
    case 'ECONNRESET':
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'does the server speak TLS on this port (or is it http://?), and does it ask for a certificate (--cert, --key)?';
    default:
      return 'look at the certificate and at the log of the server';
  }
}

import process from 'node:process';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { inspectBriefly } from '../platform/inspect.js';
import { toJson } from '../platform/json.js';
import { option, type OptionsOf, type OptionType, readOptions, refuseOption } from './table.js';
import { boolean, hostName, optional } from './types.js';
import { copyBytes } from '../platform/bytes.js';
import { isUrl } from '../platform/realms.js';

/**
 * Certificates or a key in PEM form: their text (which contains `-----BEGIN`), its bytes, or the path or
 * `file:` URL of a file.
 */
export type Pem = string | Uint8Array | URL;

export interface NativeTlsServer {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | null;
}

export interface NativeTlsClient {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly servername: string | null;
  readonly acceptAny: boolean;
}

const PEM = 'PEM text, PEM bytes or the path of a PEM file';

const pem: OptionType<Pem | undefined> = { takes: PEM, accepts: isPem };

const pems: OptionType<Pem | readonly Pem[] | undefined> = {
  takes: `${PEM}, or a list of these`,
  accepts: (value): value is Pem | readonly Pem[] =>
    Array.isArray(value) ? value.length > 0 && Array.from(value).every(isPem) : isPem(value),
};

function isPem(value: unknown): value is Pem {
  if (typeof value === 'string') return value !== '' && !value.includes('\0');
  if (isUrl(value)) return value.protocol === 'file:';
  return types.isUint8Array(value) && value.length > 0;
}

const certificateTable = {
  cert: option(pems, undefined),
  key: option(pem, undefined),
};

export const clientCaTable = {
  /**
   * The authorities that issue the certificates that clients must present, or those certificates. By default,
   * clients need none.
   */
  clientCa: option(pems, undefined),
};

const tlsServerTable = { ...certificateTable, ...clientCaTable };

export const tlsClientTable = {
  /**
   * The only authorities or certificates to trust.
   *
   * @defaultValue the roots of Node and of `NODE_EXTRA_CA_CERTS`
   */
  ca: option(pems, undefined),
  /** The client's certificate with its chain, for servers that ask for one. Requires `key`. */
  cert: option(pems, undefined),
  /** The private key of `cert`. */
  key: option(pem, undefined),
  /**
   * The name that the server's certificate must have, also sent to the server (SNI).
   *
   * @defaultValue the host of the URL
   */
  servername: option(optional(hostName), undefined),
  /**
   * Whether to accept any certificate. Anyone on the path can then read the calls, and change whatever the
   * signatures do not protect.
   */
  dangerouslyAcceptAnyCertificate: option(boolean, false),
};

/** A certificate and its key. */
export interface TlsCertificate {
  /** The certificate and its chain, in one string or in a list. */
  readonly cert: Pem | readonly Pem[];
  /** Its unencrypted private key: PKCS #8, PKCS #1 or SEC 1, for RSA, ECDSA or Ed25519. */
  readonly key: Pem;
}

/** The certificate of a server, and which clients it accepts. */
export interface TlsServerOptions extends TlsCertificate, OptionsOf<typeof clientCaTable> {}

/** Which servers a client trusts, and the certificate it presents. */
export interface TlsClientOptions extends OptionsOf<typeof tlsClientTable> {}

export function tlsServerOptions(input: unknown): NativeTlsServer {
  const { clientCa, ...certificate } = readTls(tlsServerTable, input, "the server's tls", 'tls.');
  return {
    ...readCertificate(certificate, 'tls.'),
    clientCa: clientCa === undefined ? null : textOf(clientCa, 'tls.clientCa'),
  };
}

export function certificateOptions(input: unknown): { cert: string; key: string } {
  return readCertificate(readTls(certificateTable, input, 'setCertificate', ''), '');
}

function readCertificate(
  { cert, key }: { cert?: Pem | readonly Pem[] | undefined; key?: Pem | undefined },
  prefix: string,
): { cert: string; key: string } {
  if (cert === undefined) throw refuseOption(`${prefix}cert`, `is required: ${pems.takes}`);
  if (key === undefined) throw refuseOption(`${prefix}key`, `is required: ${PEM}`);
  return { cert: textOf(cert, `${prefix}cert`), key: textOf(key, `${prefix}key`) };
}

export function tlsClientOptions(input: unknown): NativeTlsClient {
  const values = readTls(tlsClientTable, input, "the client's tls", 'tls.');
  const { ca, cert, key, servername, dangerouslyAcceptAnyCertificate } = values;
  if (cert !== undefined && key === undefined)
    throw refuseOption('tls.key', "must be given with 'tls.cert'");
  if (key !== undefined && cert === undefined)
    throw refuseOption('tls.cert', "must be given with 'tls.key'");
  if (dangerouslyAcceptAnyCertificate) {
    if (ca !== undefined) {
      throw refuseOption(
        'tls.dangerouslyAcceptAnyCertificate',
        "cannot be true when 'tls.ca' is set",
      );
    }
    warnOnce();
  }
  return {
    ca: ca === undefined ? null : textOf(ca, 'tls.ca'),
    cert: cert === undefined ? null : textOf(cert, 'tls.cert'),
    key: key === undefined ? null : textOf(key, 'tls.key'),
    servername: servername ?? null,
    acceptAny: dangerouslyAcceptAnyCertificate,
  };
}

/** Equal for equal options. The contents of files do not count. */
export function tlsClientKey(input: unknown): string {
  const values = readTls(tlsClientTable, input, "the client's tls", 'tls.');
  return toJson(values, (value) =>
    types.isUint8Array(value) ? Buffer.from(value).toString('base64') : value,
  );
}

function readTls<Table extends typeof certificateTable>(
  table: Table,
  input: unknown,
  subject: string,
  prefix: string,
): ReturnType<typeof readOptions<Table>> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    const takes = `takes an object such as { ${Object.keys(table).slice(0, 2).join(', ')} }`;
    throw refuseOption(
      prefix === '' ? 'options' : 'tls',
      `${takes}, not ${inspectBriefly(input, 100)}`,
    );
  }
  return readOptions(table, input, subject, undefined, prefix);
}

function textOf(value: Pem | readonly Pem[], name: string): string {
  // A text may lack the trailing line break that the next one needs.
  if (Array.isArray(value)) return value.map((part: Pem) => textOf(part, name)).join('\n');
  const single = value as Pem;
  if (typeof single === 'string' && single.includes('-----BEGIN')) return withoutMark(single);
  // Only comments contain anything but ASCII.
  if (types.isUint8Array(single)) return withoutMark(copyBytes(single).toString('latin1'));
  try {
    return withoutMark(readFileSync(pathOf(single), 'latin1'));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const path = inspectBriefly(isUrl(single) ? single.href : single, 200);
    throw refuseOption(name, `takes ${PEM}; the file ${path} cannot be read (${code})`, cause);
  }
}

/** `fs` refuses URLs of other realms. */
function pathOf(path: string | URL): string {
  return typeof path === 'string' ? path : fileURLToPath(path.href);
}

/** Removes the byte order mark of editors on Windows, because PEM begins with a line. */
function withoutMark(text: string): string {
  return text.replace(/^(?:\ufeff|\xef\xbb\xbf)/, '');
}

let warned = false;

function warnOnce(): void {
  if (warned) return;
  warned = true;
  process.emitWarning(
    "a client of backwater accepts any certificate (option 'tls.dangerouslyAcceptAnyCertificate'): " +
      'anyone on the path can read its calls',
    { type: 'SecurityWarning', code: 'BACKWATER_ACCEPTS_ANY_CERTIFICATE' },
  );
}

import { createHash, createHmac, randomBytes } from 'node:crypto';
import { connect } from 'node:net';

// Makes and signs requests byte for byte, without the library.

/** In the order on the wire; a name may occur twice. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/** How a request differs from a call of `echo:echo([])`. */
export interface RequestParts {
  readonly method?: string;
  readonly target?: string;
  readonly body?: Buffer;
  /** Additional or different headers; undefined omits one. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** The signed headers; all by default. */
  readonly signed?: readonly string[];
}

export interface SignedParts {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly requestId: string;
}

const EMPTY_LIST = Buffer.of(131, 106);

export function signedRequest(secret: string | Uint8Array, parts: RequestParts = {}): SignedParts {
  const { method = 'POST', target = '/backwater/1/echo/echo/0', body = EMPTY_LIST } = parts;
  const requestId = randomBytes(16).toString('base64');
  const all: Record<string, string | undefined> = {
    accept: 'application/x-erlang-etf',
    'accept-encoding': 'gzip',
    'content-length': String(body.length),
    'content-type': 'application/x-erlang-etf',
    digest: `SHA-256=${createHash('sha256').update(body).digest('base64')}`,
    'x-request-id': requestId,
    ...parts.headers,
  };
  const headers = Object.entries(all).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const names = ['(request-target)', ...(parts.signed ?? headers.map(([name]) => name))];
  const value = (name: string): string =>
    name === '(request-target)' ? `${method.toLowerCase()} ${target}` : (all[name] ?? '');
  const text = names.map((name) => `${name}: ${value(name).trim()}`).join('\n');
  const signature = createHmac('sha256', secret).update(text, 'latin1').digest('base64');
  const authorization = `Signature algorithm="hmac-sha256",headers="${names.join(' ')}",keyId="default",signature="${signature}"`;
  return {
    method,
    target,
    headers: [...headers, ['authorization', authorization]],
    body,
    requestId: all['x-request-id'] ?? requestId,
  };
}

export function requestBytes({
  method,
  target,
  headers,
  body,
}: Omit<SignedParts, 'requestId'>): Buffer {
  const lines = [['host', 'x'] as const, ...headers].map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const head = `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface RawExchange {
  readonly answers: readonly RawAnswer[];
  /** Whether the server has closed the connection, rather than the test. */
  readonly closed: boolean;
}

/**
 * Sends bytes on a new connection and reads until the server closes it, or until it has had the
 * time to do so.
 *
 * @param keepsOpen how many answers come on a connection that stays open
 */
export function exchangeRaw(
  port: number,
  bytes: Buffer,
  keepsOpen = Infinity,
): Promise<RawExchange> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const chunks: Buffer[] = [];
    const settle = (closed: boolean): void => {
      socket.destroy();
      resolve({ answers: parseAnswers(Buffer.concat(chunks)), closed });
    };
    socket.setTimeout(60_000, () =>
      socket.destroy(new Error('the server neither answers nor closes')),
    );
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') settle(true);
      else reject(error);
    });
    socket.on('end', () => settle(true));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (parseAnswers(Buffer.concat(chunks)).length >= keepsOpen) settle(false);
    });
    socket.write(bytes);
  });
}

function parseAnswers(bytes: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (;;) {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) return answers;
    const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const length = Number(headers.get('content-length') ?? 0);
    const status = Number(first.split(' ')[1]);
    const start = end + 4;
    const interim = status < 200;
    if (!interim && bytes.length < start + length) return answers;
    const stop = interim ? start : start + length;
    if (!interim) answers.push({ status, headers, body: bytes.subarray(start, stop) });
    bytes = bytes.subarray(stop);
  }
}

export function signedAnswer(
  secret: string | Uint8Array,
  requestId: string,
  body: Buffer,
  { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): Record<string, string> {
  const all: Record<string, string> = {
    'content-length': String(body.length),
    'content-type': 'application/x-erlang-etf',
    digest: `SHA-256=${createHash('sha256').update(body).digest('base64')}`,
    'x-request-id': requestId,
    ...headers,
  };
  const names = Object.keys(all).sort();
  const lines = [`(response-status): ${status}`, ...names.map((name) => `${name}: ${all[name]}`)];
  const signature = createHmac('sha256', secret)
    .update(lines.join('\n'), 'latin1')
    .digest('base64');
  const parameters = `algorithm="hmac-sha256",headers="(response-status) ${names.join(' ')}",keyId="default",signature="${signature}"`;
  return { ...all, signature: parameters };
}

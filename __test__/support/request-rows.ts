import { createHash } from 'node:crypto';
import test from 'ava';
import {
  decodeResponse,
  encode,
  expose,
  RemoteError,
  startClearServer,
  type Server,
} from '../../src/index.js';
import { secret } from './rpc.js';
import {
  exchangeRaw,
  requestBytes,
  signedRequest,
  type RawAnswer,
  type RequestParts,
  type SignedParts,
} from './signing.js';

/** The expected answer to the first of two requests on a connection. */
export interface Expected {
  /** The value of the call, or the status and text of a refusal; null for no answer. */
  readonly answer: { readonly value: unknown } | readonly [status: number, text: string] | null;
  /** Refusals are signed once the request's own signature has been verified. */
  readonly signed: boolean;
  /** Whether the connection closes before the second answer. */
  readonly closed: boolean;
}

export type Row = readonly [name: string, request: () => Buffer, expected: Expected];

export const called = (value: unknown): Expected => ({
  answer: { value },
  signed: true,
  closed: false,
});
export const calledLast = (value: unknown): Expected => ({ ...called(value), closed: true });
export const signed = (status: number, text = ''): Expected => ({
  answer: [status, text],
  signed: true,
  closed: true,
});
export const unsigned = (status: number, text = ''): Expected => ({
  ...signed(status, text),
  signed: false,
});
/** Hyper answers an empty 400. */
export const MALFORMED = unsigned(400);
export const NOTHING: Expected = { answer: null, signed: false, closed: true };
export const duplicate = (name: string): Expected =>
  unsigned(401, `{duplicate_header,<<"${name}">>}`);

export const make = (parts: RequestParts = {}): Buffer =>
  requestBytes(signedRequest(secret, parts));

/** Changes a request after signing. */
export const changed = (
  change: (request: SignedParts) => Partial<SignedParts>,
  parts?: RequestParts,
): Buffer => {
  const request = signedRequest(secret, parts);
  return requestBytes({ ...request, ...change(request) });
};
export const withLine = (line: string, parts?: RequestParts): Buffer => insert(make(parts), line);
export const insert = (bytes: Buffer, line: string): Buffer => {
  const at = bytes.indexOf('\r\n') + 2;
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(line, 'latin1'), bytes.subarray(at)]);
};
export const replaced = (from: string, to: string, parts?: RequestParts): Buffer => {
  const text = make(parts).toString('latin1');
  if (!text.includes(from)) throw new Error(`there is no ${from}`);
  return Buffer.from(text.replace(from, to), 'latin1');
};
export const target = (path: string, method = 'POST'): Buffer => make({ target: path, method });
export const arity = (text: string, count: number): Buffer =>
  make({ target: `/backwater/1/echo/count/${text}`, body: encode(Array<number>(count).fill(300)) });
export const withTarget = (path: string): Buffer => changed(() => ({ target: path }));

/** The digest matches the data. */
export const chunked = (
  raw: string,
  body: Buffer,
  headers: Record<string, string> = {},
): Buffer => {
  const request = signedRequest(secret, {
    headers: {
      'content-length': undefined,
      'transfer-encoding': 'chunked',
      digest: `SHA-256=${createHash('sha256').update(body).digest('base64')}`,
      ...headers,
    },
  });
  return requestBytes({ ...request, body: Buffer.from(raw, 'latin1') });
};
export const EMPTY = Buffer.of(131, 106);

const modules = {
  echo: {
    echo: () => 'here',
    'a/b': () => 'slash',
    'a%2Fb': () => 'percent',
    '..': () => 'dots',
    é: () => 'letter',
    size: (text: string) => text.length,
    count: expose.fn((...args: unknown[]) => args.length, { arity: [0, 1, 255] }),
  },
};

export function tryRows(rows: readonly Row[]): void {
  let server: Server;
  test.before(async () => {
    server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0 });
  });
  test.after.always(() => server?.close({ timeout: 0 }));

  for (const [name, build, expected] of rows) {
    test(name, async (t) => {
      const request = build();
      const second = make();
      const both = Buffer.concat([request, second]);
      const { answers, closed } = await exchangeRaw(server.port, both, 2);
      const [first, next] = answers;
      if (expected.answer === null || first === undefined) {
        t.is(first, undefined);
        t.is(expected.answer, null);
      } else {
        t.deepEqual(read(request, first), expected.answer);
        t.is(first.headers.has('signature'), expected.signed);
        if (first.status !== 200) t.is(first.headers.get('connection'), 'close');
      }
      t.is(closed, expected.closed);
      t.is(answers.length, expected.closed ? (expected.answer === null ? 0 : 1) : 2);
      if (next !== undefined) t.deepEqual(read(second, next), { value: 'here' });
    });
  }
}

function read(request: Buffer, { status, headers, body }: RawAnswer): unknown {
  if (!headers.has('signature')) return [status, body.toString()];
  const requestId = /^x-request-id: *(.*?)\r?\n/m.exec(request.toString('latin1'))![1]!;
  try {
    return {
      value: decodeResponse({ secret, requestId }, { status, headers: [...headers], body }),
    };
  } catch (error) {
    if (error instanceof RemoteError) return [error.httpStatus, error.reason ?? ''];
    throw error;
  }
}

import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import {
  decode,
  decodeResponse,
  expose,
  raise,
  RemoteError,
  RemoteException,
  ResponseAuthenticationError,
  ResponseError,
  startClearServer,
} from '../src/index.js';
import { exchangeRaw, requestBytes, type RawAnswer } from './support/signing.js';
import { canonical, exactValue, readVectors, type VectorTerm } from './support/vectors.js';

type Headers = [string, string][];
interface Result {
  ok?: VectorTerm;
  exception?: { class: 'error' | 'exit' | 'throw'; reason: VectorTerm; stacktrace: VectorTerm };
  failure?: VectorTerm;
  raised?: VectorTerm;
  status?: VectorTerm;
}
interface Exchange {
  name: string;
  server_options?: Record<string, never>;
  client_options?: { rethrow_remote_exceptions?: boolean; decode_unsafe_terms?: boolean };
  secret: string;
  request: { method: string; target: string; headers: Headers; body: string };
  response: { status: number; headers: Headers; body: string };
  client_result: Result;
}

const SECRET = 'backwater vectors: shared secret!';

/** Intended differences; see __test__/vectors/README.md. */
const ANSWERED_OTHERWISE = new Map([
  ['arguments are an improper list', { status: 400, body: 'arguments_not_a_list' }],
]);
const DIFFERENT_WORLD = new Set(['404 exposed module that does not exist']);

const CAMEL: Record<string, string> = {
  compression_threshold: 'compressionThreshold',
  return_exception_stacktraces: 'returnExceptionStacktraces',
  max_encoded_args_size: 'maxEncodedArgsSize',
  decode_unsafe_terms: 'decodeUnsafeTerms',
};

for (const exchange of readVectors<Exchange>('wire/exchanges.jsonl')) {
  if (DIFFERENT_WORLD.has(exchange.name)) continue;
  test(`exchange: ${exchange.name}`, async (t) => {
    const options = Object.fromEntries(
      Object.entries(exchange.server_options ?? {}).map(([name, value]) => [CAMEL[name]!, value]),
    );
    const server = await startClearServer(SECRET, modulesOf(exchange), {
      host: '127.0.0.1',
      port: 0,
      terms: 'exact',
      ...options,
    });
    t.teardown(() => server.close({ timeout: 0 }));
    const answer = await send(server.port, exchange.request);
    const expected = ANSWERED_OTHERWISE.get(exchange.name);
    if (expected === undefined) compare(t, answer, exchange);
    else t.deepEqual({ status: answer.status, body: answer.body.toString() }, expected);
  });
}

function modulesOf({ request, response, client_result: result }: Exchange) {
  const functions: Record<string, object> = {};
  const [, module = 'erlang', name = '-', arity = '1'] =
    /^\/backwater\/1\/([^/]*)\/([^/]*)\/(\d+)/.exec(request.target) ?? [];
  const fn = (): unknown => {
    if (result.exception) raise(result.exception.class, exactValue(result.exception.reason));
    return exactValue(result.ok ?? { int: '0' });
  };
  if (response.status !== 404 && response.status !== 403) {
    functions[decodeURIComponent(name)] = expose.fn(fn, { arity: Number(arity) });
  }
  const modules: Record<string, object> = { erlang: {}, string: {}, lists: {} };
  if (response.status !== 403) modules[decodeURIComponent(module)] = functions;
  return modules;
}

async function send(port: number, request: Exchange['request']): Promise<RawAnswer> {
  const { method, target, headers, body } = request;
  const parts = { method, target, headers, body: Buffer.from(body, 'base64') };
  const { answers } = await exchangeRaw(port, requestBytes(parts), 1);
  if (answers[0] === undefined) throw new Error('closed without an answer');
  return answers[0];
}

/** Headers whose values depend on the encoding or the time. */
const VARIABLE = new Set([
  'date',
  'server',
  'content-length',
  'digest',
  'signature',
  'content-encoding',
  // An addition of this server, which callers may ignore.
  'x-backwater-detail',
]);

function compare(t: ExecutionContext, answer: RawAnswer, { response, name }: Exchange): void {
  const expected = new Map(response.headers);
  t.is(answer.status, response.status);
  const unpack = (body: Buffer, headers: ReadonlyMap<string, string>): Buffer =>
    headers.get('content-encoding') === 'gzip' ? gunzipSync(body) : body;
  const ours = unpack(answer.body, answer.headers);
  const theirs = unpack(Buffer.from(response.body, 'base64'), expected);
  if (response.status === 200) {
    compareTerms(t, ours, theirs);
    // A result that gzip makes larger is sent uncompressed.
    if (answer.headers.has('content-encoding')) t.is(expected.get('content-encoding'), 'gzip');
    if (/compressed result|arguments and result/.test(name)) {
      t.is(answer.headers.get('content-encoding'), 'gzip');
    }
  } else {
    t.is(ours.toString(), theirs.toString());
  }
  if (response.headers.length === 0) return;
  // Only our server says how long it keeps a connection.
  const isPlain = (header: string, value: string): boolean =>
    !VARIABLE.has(header) &&
    header !== 'keep-alive' &&
    `${header}: ${value}` !== 'connection: keep-alive';
  const sorted = (headers: ReadonlyMap<string, string>): [string, string][] =>
    [...headers]
      .filter(([name, value]) => isPlain(name, value))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  if (name !== '404 outside the base path') t.deepEqual(sorted(answer.headers), sorted(expected));
  const signed = (headers: ReadonlyMap<string, string>): string[] | undefined =>
    /headers="([^"]*)"/
      .exec(headers.get('signature') ?? '')?.[1]
      ?.split(' ')
      // The reference signs `connection`, which proxies remove, and has no details.
      .filter((name) => !['content-encoding', 'connection', 'x-backwater-detail'].includes(name));
  t.deepEqual(signed(answer.headers), signed(expected));
}

function compareTerms(t: ExecutionContext, ours: Buffer, theirs: Buffer): void {
  const [mine, own] = [ours, theirs].map((bytes) => decode(bytes, { terms: 'exact' }) as never[]);
  if (String((own as unknown[])[0]) === 'exception') {
    // The stacks differ, but both or neither must exist.
    const [a, b] = [mine, own].map(
      (term) => (term as unknown[])[1] as [unknown, unknown, unknown[]],
    );
    t.is(canonical(a!.slice(0, 2)), canonical(b!.slice(0, 2)));
    t.true(Array.isArray(a![2]));
  } else {
    t.is(canonical(mine), canonical(own));
  }
}

for (const vector of readVectors<Exchange>('wire/responses.jsonl')) {
  test(`response: ${vector.name}`, (t) => {
    const { request, response, client_options: options = {}, client_result: result } = vector;
    const requestId = new Map(request.headers).get('x-request-id')!;
    const read = (): unknown =>
      decodeResponse(
        { secret: vector.secret, requestId },
        {
          status: response.status,
          headers: response.headers,
          body: Buffer.from(response.body, 'base64'),
        },
        {
          terms: 'exact',
          rethrowRemoteExceptions: options.rethrow_remote_exceptions ?? false,
          decodeUnsafeTerms: options.decode_unsafe_terms ?? true,
        },
      );
    if (result.ok !== undefined) {
      t.is(canonical(read()), canonical(exactValue(result.ok)));
      return;
    }
    let thrown: unknown;
    try {
      read();
      t.fail('nothing was thrown');
    } catch (error) {
      thrown = error;
    }
    checkFailure(t, thrown, result, response.status);
  });
}

function checkFailure(t: ExecutionContext, thrown: unknown, result: Result, status: number): void {
  const { exception, raised, failure } = result;
  if (exception !== undefined) {
    t.true(thrown instanceof RemoteException);
    const { class: kind, reason, stacktrace } = thrown as RemoteException;
    t.is(kind, exception.class);
    t.is(canonical(reason), canonical(exactValue(exception.reason)));
    t.is(canonical(stacktrace), canonical(exactValue(exception.stacktrace)));
  } else if (raised !== undefined) {
    const [kind, reason] = exactValue(raised) as [unknown, unknown];
    if (String(kind) === 'throw') t.is(canonical(thrown), canonical(reason));
    else t.is(canonical((thrown as RemoteException).reason), canonical(reason));
  } else if (failure !== undefined && 'tuple' in failure) {
    t.true(thrown instanceof ResponseAuthenticationError);
    const [, reason] = exactValue(failure) as [unknown, unknown];
    const [name, header] = Array.isArray(reason) ? (reason as [unknown, Buffer]) : [reason];
    t.is((thrown as ResponseAuthenticationError).reason, String(name) as never);
    t.is((thrown as ResponseAuthenticationError).header, header?.toString());
  } else if (failure !== undefined && 'atom' in failure && failure.atom === 'remote') {
    t.true(thrown instanceof RemoteError);
    t.is((thrown as RemoteError).httpStatus, status);
    t.is((thrown as RemoteError).status, String(exactValue(result.status!)) as never);
  } else {
    t.true(thrown instanceof ResponseError);
    t.is((thrown as ResponseError).reason, (failure as { atom: string }).atom as never);
  }
}

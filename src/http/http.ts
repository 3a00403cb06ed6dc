import { Buffer } from 'node:buffer';
import { standaloneEncoder } from '../codec/standalone-encoder.js';
import { environment } from '../platform/environment.js';
import { randomBytes } from 'node:crypto';
import { bridge } from '../bridge/bridge.js';
import { setRequestId } from '../bridge/request-id.js';
import { readArrival } from '../codec/decoder.js';
import { reviversOf } from '../codec/revivers.js';
import { checkCall } from '../client/check-call.js';
import type { Target } from '../client/client.js';
import { beginning } from '../client/limits.js';
import type { SizeLimit } from '../codec/serialize-error.js';
import { OptionError, ResponseAuthenticationError } from '../errors/errors.js';
import { fromException } from '../exceptions/exceptions.js';
import { unwrap } from '../bridge/failures.js';
import { type DecodedResponse, nativeOptions } from '../platform/native.js';
import { maxValueSize } from '../platform/heap.js';
import { ownProperties } from '../platform/own-properties.js';
import { type HttpResponse, type ParsedResponse, parseResponse } from './response.js';
import { callHeaders } from '../options/metadata.js';
import {
  callOptions,
  clientOptions,
  type CallOptions,
  type ClientTuning,
} from '../client/options.js';
import { encodeRequestOptions, type EncodeRequestOptions } from './options.js';
import { parseEndpoint } from '../options/endpoint.js';
import { parseSecrets } from '../options/secrets.js';
import { refuseOption } from '../options/table.js';
import type { Term } from '../terms/values.js';

/** A signed request, for any HTTP client. */
export interface EncodedRequest {
  /** The method. */
  readonly method: 'POST';
  /** Where to send it. */
  readonly url: string;
  /** All headers except `host`; names in lower case. */
  readonly headers: Record<string, string>;
  /** The signed body, which the client must not change. */
  readonly body: Buffer;
  /** The `requestId` for {@link decodeResponse}. */
  readonly requestId: string;
}

/**
 * Signs a request for another HTTP client to send.
 *
 * @throws {@link TermError} if an argument is not a term or the arguments are too large;
 * {@link OptionError} if an option is invalid
 * @example
 * ```ts
 * import { decodeResponse, encodeRequest } from 'backwater';
 * const secret = 'at least 32 bytes of random data';
 * const { url, method, headers, body, requestId } = encodeRequest(
 *   { url: 'http://127.0.0.1:8080', secret }, 'string', 'to_upper', ['hello']);
 * const response = await fetch(url, { method, headers, body });
 * const result = decodeResponse({ secret, requestId }, {
 *   status: response.status,
 *   headers: response.headers,
 *   body: await response.arrayBuffer(),
 * });
 * ```
 */
export function encodeRequest(
  target: Target & ClientTuning & { readonly tls?: undefined },
  module: string,
  fn: string,
  args: readonly unknown[] = [],
  options?: EncodeRequestOptions,
): EncodedRequest {
  const { url, secret, tls, ...rest } = ownProperties(
    target as Target & ClientTuning & { tls?: unknown },
  );
  const endpoint = parseEndpoint(url);
  const secrets = parseSecrets(secret);
  if (tls !== undefined) {
    throw refuseOption('tls', 'is for clients: the HTTP client makes the connection');
  }
  checkCall(module, fn, args);
  const settings = beginning(encodeRequestOptions(rest, options));
  const name = endpoint.host.includes(':') ? `[${endpoint.host}]` : endpoint.host;
  const parameters = nativeOptions({
    module,
    function: fn,
    arity: args.length,
    maxEncodedArgsSize: settings.maxEncodedArgsSize,
    compressionThreshold: settings.compressionThreshold,
    gzipLevel: settings.gzipLevel,
    acceptGzip: settings.acceptEncoding === 'gzip',
    timeout: settings.timeout,
    replayProtection: settings.replayProtection,
    audience: settings.audience,
    caller: settings.caller,
    headers: callHeaders(settings.metadata, settings.trace),
  });
  const limit: SizeLimit = { bytes: settings.maxEncodedArgsSize, option: 'maxEncodedArgsSize' };
  const encoded = standaloneEncoder.withTape(
    args,
    settings,
    limit,
    'args',
    encodeRequest,
    (frame) => unwrap(environment.encodeRequest(parameters, secrets, frame, randomBytes(16))),
  );
  const headers = Object.fromEntries(encoded.headers);
  return {
    method: 'POST',
    url: `${endpoint.scheme}://${name}:${endpoint.port}${encoded.path}`,
    headers,
    body: Buffer.from(encoded.body.buffer, encoded.body.byteOffset, encoded.body.length),
    requestId: headers['x-request-id']!,
  };
}

/**
 * Verifies and decodes the response to {@link encodeRequest}.
 *
 * @throws the errors of {@link Client.call} for responses; {@link OptionError} if `response` is malformed or
 * an option is invalid
 */
export function decodeResponse<T = Term>(
  context: { secret: Target['secret']; requestId: string },
  response: HttpResponse,
  options?: CallOptions,
): T {
  const { secret, requestId } = ownProperties(context);
  const secrets = parseSecrets(secret);
  if (typeof requestId !== 'string') {
    throw new OptionError('requestId must be the string that encodeRequest returned', {
      option: 'requestId',
    });
  }
  const settings = callOptions(options, clientOptions({}));
  const answer = parseResponse(response);
  const { status, headers } = answer;
  const parameters = nativeOptions({
    requestId,
    status,
    headers,
    maxEncodedResultSize: settings.maxEncodedResultSize,
    flags: settings.flags,
    maxDepth: settings.maxDepth,
    maxTerms: settings.maxTerms,
    maxValueSize: maxValueSize(),
  });
  const decoded = decodeBody(parameters, secrets, answer);
  const all = reviversOf(settings.revivers);
  const revivers = decoded.exception ? all?.ofStructs : all;
  const exact = settings.terms === 'exact';
  const arrival = {
    buffers: bridge.eventBuffers,
    frame: 0,
    large: decoded.slot,
    skip: decoded.skip,
  };
  const value = readArrival(arrival, exact, revivers);
  if (!decoded.exception) return value as T;
  const error = fromException(value as never, { rethrow: settings.rethrowRemoteExceptions });
  setRequestId(error, requestId);
  throw error;
}

function decodeBody(
  parameters: Parameters<typeof environment.decodeResponse>[0],
  secrets: Buffer[],
  answer: ParsedResponse,
): DecodedResponse {
  try {
    return unwrap(environment.decodeResponse(parameters, secrets, answer.body));
  } catch (error) {
    const explained = explainInflated(error, answer);
    if (!(explained instanceof OptionError)) setRequestId(explained, parameters.requestId);
    throw explained;
  }
}

/** Some HTTP clients inflate bodies, which breaks their digests. */
function explainInflated(failure: unknown, { headers, body }: ParsedResponse): unknown {
  const isDigest =
    failure instanceof ResponseAuthenticationError && failure.reason === 'wrong_body_digest';
  const packed = headers.some(
    ([name, value]) => name.toLowerCase() === 'content-encoding' && value === 'gzip',
  );
  if (!isDigest || !packed || (body[0] === 0x1f && body[1] === 0x8b)) return failure;
  const advice =
    'the HTTP client has decompressed the body, but the signature covers the compressed bytes: ' +
    "call encodeRequest with acceptEncoding 'identity'";
  return new ResponseAuthenticationError(failure.reason, {
    unverified: failure.unverified,
    advice,
  });
}

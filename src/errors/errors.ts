import { defineError, defineHidden } from '../platform/brands.js';
import { assignDefined, BackwaterError, type ListenErrorCode } from '../platform/error.js';
import { addressText, inspectBriefly, truncate } from '../platform/inspect.js';
import { ownProperties } from '../platform/own-properties.js';
import type { Term } from '../terms/values.js';

export {
  BackwaterError,
  type BackwaterErrorCode,
  isBackwaterError,
  type ListenErrorCode,
} from '../platform/error.js';
export { SizeError, type SizeFields, TermError, type TermFields } from '../terms/term-error.js';

const LISTEN_CODES: readonly string[] = ['EACCES', 'EADDRINUSE', 'EADDRNOTAVAIL'];

/** Fields of a {@link ListenError} or {@link ConnectError}. */
export interface AddressFields extends ErrorOptions {
  /** The address or host name. */
  readonly host?: string | undefined;
  /** The port. */
  readonly port?: number | undefined;
  /** The system's error code. */
  readonly reason?: string | undefined;
}

/** The server cannot listen on its address. */
export class ListenError extends BackwaterError {
  override readonly code: ListenErrorCode;
  /** The address. */
  declare readonly host?: string;
  /** The port. */
  declare readonly port?: number;
  /** The system's error code, such as `EADDRINUSE`. */
  declare readonly reason?: string;

  constructor(message: string, fields: AddressFields = {}) {
    const { host, port, reason, ...options } = ownProperties(fields);
    super(message, options);
    this.code = LISTEN_CODES.includes(reason ?? '')
      ? (reason as ListenErrorCode)
      : 'ERR_BACKWATER_LISTEN';
    assignDefined(this, { host, port, reason });
  }
}

/** Fields of a {@link ConnectError}. */
export interface ConnectFields extends AddressFields {
  /** The phase that failed. */
  readonly phase?: 'resolve' | 'connect' | 'tls' | undefined;
}

/** The client cannot connect to the server, so the function was not called. */
export class ConnectError extends BackwaterError {
  override readonly code: 'ERR_BACKWATER_CONNECT' | 'ERR_BACKWATER_TLS' = 'ERR_BACKWATER_CONNECT';
  /** The host. */
  declare readonly host?: string;
  /** The port. */
  declare readonly port?: number;
  /** The error code of the system or DNS, such as `ECONNREFUSED` or `ENOTFOUND`. */
  declare readonly reason?: string;
  /** The phase that failed. */
  declare readonly phase?: 'resolve' | 'connect' | 'tls';

  constructor(message: string, fields: ConnectFields = {}) {
    const { host, port, reason, phase, ...options } = ownProperties(fields);
    super(message, options);
    assignDefined(this, { host, port, reason, phase });
  }
}

/** The connection broke after sending had started. The function may have been called. */
export class ConnectionLostError extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_CONNECTION_LOST';
}

/** Why a TLS handshake failed. */
export type TlsErrorReason =
  | 'certificate_expired'
  | 'certificate_not_yet_valid'
  | 'wrong_host'
  | 'unknown_issuer'
  | 'invalid_certificate'
  | 'client_certificate_refused'
  | 'incompatible'
  | 'not_tls'
  | 'handshake_failed';

/** Fields of a {@link TlsError}. */
export interface TlsErrorFields extends ConnectFields {
  /** Why the handshake failed. */
  readonly reason: TlsErrorReason;
}

/** The client cannot set up a trusted TLS connection, so the function was not called. */
export class TlsError extends ConnectError {
  override readonly code = 'ERR_BACKWATER_TLS';
  /** Why the handshake failed. */
  declare readonly reason: TlsErrorReason;

  constructor(message: string, fields: TlsErrorFields) {
    super(message, fields);
  }
}

/**
 * The phases of a call, in order: waiting for a free connection, resolving the name, the TCP and TLS
 * handshakes, handing the request to the system, and waiting for the first byte and the rest of the answer.
 * `interceptors` means that only an interceptor had not settled.
 */
export type CallPhase = (typeof PHASES)[number] | 'interceptors';

const PHASES = ['queued', 'resolve', 'connect', 'tls', 'send', 'wait', 'receive'] as const;

/** Milliseconds in each phase, over all attempts. */
export type CallTimes = Readonly<Record<(typeof PHASES)[number], number>>;

/** Fields of a {@link TimeoutError}. */
export interface TimeoutFields extends ErrorOptions {
  /** The phase when the time ran out. */
  readonly phase: CallPhase;
  /** Milliseconds in each phase. */
  readonly times: CallTimes;
  /** The option that sets the limit. */
  readonly option:
    'connectTimeout' | 'recvTimeout' | 'idleTimeout' | 'timeout' | 'deadline' | 'parent';
  /** The limit in milliseconds. */
  readonly limit: number;
  /** The host, if reached. */
  readonly host?: string | undefined;
  /** The port, if reached. */
  readonly port?: number | undefined;
}

/**
 * The call took longer than its options allow. If `phase` is `queued`, `resolve`, `connect` or `tls`, the
 * function was not called, unless an idempotent call was being retried.
 */
export class TimeoutError extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_TIMEOUT';
  /** The phase when the time ran out. */
  readonly phase: CallPhase;
  /** Milliseconds in each phase. */
  readonly times: CallTimes;
  /** The option that sets the limit. */
  readonly option: TimeoutFields['option'];
  /** The limit in milliseconds. */
  readonly limit: number;
  /** The host, if reached. */
  declare readonly host?: string;
  /** The port, if reached. */
  declare readonly port?: number;

  constructor(fields: TimeoutFields) {
    const own = ownProperties(fields);
    const { phase, times, option, limit, host, port, ...options } = own;
    super(timeoutMessage(own), options);
    this.phase = phase;
    this.times = Object.freeze(inOrder(times));
    this.option = option;
    this.limit = limit;
    assignDefined(this, { host, port });
  }
}

function inOrder(times: CallTimes): CallTimes {
  return Object.fromEntries(PHASES.map((phase) => [phase, times[phase]])) as CallTimes;
}

function timeoutMessage({ phase, times, option, limit, host, port }: TimeoutFields): string {
  if (limit === 0) return `the deadline had passed before the call began (option ${option})`;
  const within = `within ${limit} ms (option ${option})`;
  if (phase === 'interceptors') return `no result ${within}: an interceptor has not settled`;
  const connecting = PHASES.indexOf(phase) <= PHASES.indexOf('tls');
  const what = connecting ? 'no connection' : 'no complete response';
  const where =
    host === undefined || port === undefined
      ? ''
      : ` ${connecting ? 'to' : 'from'} ${addressText(host, port)}`;
  const spent = PHASES.filter((name) => times[name] > 0 || name === phase).map(
    (name) => `${name} ${Math.round(times[name])} ms`,
  );
  return `${what}${where} ${within}; phases: ${spent.join(', ')}`;
}

/** Fields of a {@link QueueFullError}. */
export interface QueueFullFields extends ErrorOptions {
  /** The option that sets the limit. */
  readonly option?: 'maxQueuedCalls' | 'maxBytesInFlight';
  /** The limit, in calls or bytes. */
  readonly limit: number;
}

/** Too many calls wait for a connection, or arguments take too much memory. The function was not called. */
export class QueueFullError extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_QUEUE_FULL';
  /** The option that sets the limit. */
  readonly option: 'maxQueuedCalls' | 'maxBytesInFlight';
  /** The limit, in waiting calls or bytes of arguments. */
  readonly limit: number;

  constructor(fields: QueueFullFields) {
    const { limit, option = 'maxQueuedCalls', ...options } = ownProperties(fields);
    super(
      option === 'maxQueuedCalls'
        ? `all connections are busy and ${limit} calls are already waiting for one (options maxConnections and maxQueuedCalls)`
        : `the arguments of the calls in flight would take more than ${limit} bytes (option maxBytesInFlight)`,
      options,
    );
    this.option = option;
    this.limit = limit;
  }
}

const STATUS_NAMES = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  406: 'not_acceptable',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  500: 'internal_error',
} as const;

/** A status of the protocol by name, any other by number. */
export type RemoteStatus = (typeof STATUS_NAMES)[keyof typeof STATUS_NAMES] | number;

/** Fields of a {@link RemoteError}. */
export interface RemoteErrorFields extends ErrorOptions {
  /** The call, such as `string:to_upper/1`. */
  readonly call?: string | undefined;
  /** The server's explanation. */
  readonly detail?: string | undefined;
}

function hintOf(httpStatus: number, reason: string): string {
  if (httpStatus === 403 && reason === '') return ': is the module exposed there?';
  if (httpStatus === 403 && reason === 'caller_not_allowed') {
    return ": do the module's 'callers' include the owner of this secret?";
  }
  if (httpStatus === 404 && reason === 'function_not_found') {
    return ': is the function exposed there, with this number of arguments?';
  }
  return '';
}

/** The server refused the call, in a response with a valid signature. */
export class RemoteError extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_REMOTE';
  /** The status, such as `not_found`; a number if the protocol has no name for it. */
  readonly status: RemoteStatus;
  /** The HTTP status code. */
  readonly httpStatus: number;
  /** The text of the response, such as `function_not_found`; may be empty. */
  readonly reason: string;
  /** The server's explanation, such as `it takes 1 or 2 arguments`. Its text may change. */
  declare readonly detail?: string;

  constructor(httpStatus: number, reason: string, fields: RemoteErrorFields = {}) {
    const { call, detail, ...options } = ownProperties(fields);
    const status = statusOf(httpStatus);
    const name = status === httpStatus ? `${status}` : `${httpStatus} ${status}`;
    const what = call === undefined ? 'the call' : `the call to ${excerpt(call)}`;
    const known = detail === undefined ? '' : `: ${excerpt(detail)}`;
    const hint = known !== '' || call === undefined ? known : hintOf(httpStatus, reason);
    const text = reason === '' ? '' : `: ${excerpt(reason)}`;
    super(`the server refused ${what}: ${name}${text}${hint}`, options);
    this.status = status;
    this.httpStatus = httpStatus;
    this.reason = reason;
    assignDefined(this, { detail });
  }
}

function statusOf(httpStatus: number): RemoteStatus {
  const names: Readonly<Record<number, RemoteStatus>> = STATUS_NAMES;
  return Object.hasOwn(names, httpStatus) ? names[httpStatus]! : httpStatus;
}

/** The three classes of Erlang's exceptions. */
export type ExceptionClass = 'error' | 'exit' | 'throw';

/** A JavaScript error that a remote function threw. */
export interface ThrownError {
  /** Its name, such as `TypeError`. */
  readonly name: string;
  /** Its message. */
  readonly message: string;
  /** Its `code`, a string or a number, as text. */
  readonly code?: string;
  /** The `error.data` that the function attached, decoded like a result: at most 64 KiB with its causes'. */
  readonly data?: unknown;
  /** Its `cause`, at most eight deep, unless the server has `returnExceptionStacktraces: false`. */
  readonly cause?: ThrownError;
  /** Why `data` or `cause` is missing: it cannot be encoded, or is too large. */
  readonly omitted?: string;
}

/** Fields of a {@link RemoteException}. */
export interface RemoteExceptionFields extends ErrorOptions {
  /** The JavaScript error, if one was thrown. */
  readonly remote?: ThrownError | undefined;
  /** The reason, as text for the message. */
  readonly text?: string | undefined;
}

/** The remote function raised an exception. */
export class RemoteException extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_REMOTE_EXCEPTION';
  /** The class of the exception. */
  readonly class: ExceptionClass;
  /** The term that was raised. */
  readonly reason: Term;
  /**
   * The remote stack as a list of `{Module, Function, Arity, Location}`, or empty if the server does not
   * return it. Not enumerable.
   */
  declare readonly stacktrace: Term;
  /** The JavaScript error, if one was thrown. Not enumerable, because `reason` contains it. */
  declare readonly remote: ThrownError | undefined;

  constructor(
    exceptionClass: ExceptionClass,
    reason: Term,
    stacktrace: Term,
    fields: RemoteExceptionFields = {},
  ) {
    const { text = inspectBriefly(reason), remote, ...options } = ownProperties(fields);
    super(`remote ${exceptionClass}: ${text}`, options);
    this.class = exceptionClass;
    this.reason = reason;
    defineHidden(this, 'stacktrace', stacktrace);
    defineHidden(this, 'remote', remote);
  }
}

/** Why a response cannot be trusted, as in Erlang's backwater. */
export type ResponseAuthenticationReason =
  | 'missing_request_id'
  | 'mismatched_request_id'
  | 'missing_signature_header'
  | 'invalid_header_params'
  | 'unknown_key'
  | 'unknown_algorithm'
  | 'missing_signed_header_list'
  | 'missing_mandatory_header'
  | 'missing_mandatorily_signed_header'
  | 'missing_header'
  | 'invalid_signature'
  | 'wrong_body_digest'
  | 'invalid_frame_tag'
  | 'frame_too_large'
  | 'trailing_bytes';

/** What an untrusted response claims. Anyone on the path may have written it. */
export interface UnverifiedResponse {
  /** The status code. */
  readonly status: number;
  /** The start of the body as text. */
  readonly body: string;
}

/** Proxies drop these headers (RFC 9110, section 7.6.1). */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const REMOVED_BY_PROXY = ': the server signed a hop-by-hop header, which a proxy has removed';

/** Fields of a {@link ResponseAuthenticationError}. */
export interface ResponseAuthenticationFields extends ErrorOptions {
  /** The header that `reason` is about. */
  readonly header?: string | undefined;
  /** What the response claims. */
  readonly unverified?: UnverifiedResponse | undefined;
  /** Advice for the message. */
  readonly advice?: string | undefined;
}

/**
 * The response does not prove that it comes from the server and belongs to the request. The function may have
 * been called.
 */
export class ResponseAuthenticationError extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_RESPONSE_AUTHENTICATION';
  /** The kind of problem. */
  readonly reason: ResponseAuthenticationReason;
  /** The header that `reason` is about, if any. */
  declare readonly header?: string;
  /** What the response claims. Show it to people, but do not act on it. */
  declare readonly unverified?: UnverifiedResponse;

  constructor(reason: ResponseAuthenticationReason, fields: ResponseAuthenticationFields = {}) {
    const { header, unverified, advice, ...options } = ownProperties(fields);
    super(authenticationMessage(reason, { header, unverified, advice }), options);
    this.reason = reason;
    assignDefined(this, { header, unverified });
  }
}

function authenticationMessage(
  reason: ResponseAuthenticationReason,
  { header, unverified, advice }: ResponseAuthenticationFields,
): string {
  const where = header === undefined ? '' : ` (${excerpt(header)})`;
  const removed = reason === 'missing_header' && hopByHop.has(header ?? '') ? REMOVED_BY_PROXY : '';
  const what = `the response is not authentic: ${reason}${where}${removed}`;
  if (advice !== undefined) return `${what}: ${advice}`;
  if (unverified === undefined) return what;
  const { status, body } = unverified;
  const said = body === '' ? '' : ` ${JSON.stringify(truncate(body, 200))}`;
  const claim = `the server answered ${status}${said}, unverified`;
  if (status === 401 && body === 'invalid_signature') {
    return `most likely, the secrets of client and server differ: ${claim}`;
  }
  if (status === 403 && body === 'client_certificate_required') {
    return `most likely, the server requires a client certificate (options tls.cert and tls.key): ${claim}`;
  }
  const both = `${what}; ${claim}`;
  return status === 401 ? `${both}; is the secret the same on both sides?` : both;
}

/** Why an authentic response, or HTTP itself (`invalid_http`), cannot be understood. */
export type ResponseErrorReason =
  | 'invalid_content_type'
  | 'invalid_content_encoding'
  | 'invalid_body'
  | 'invalid_http'
  | 'unknown_frame_type'
  | 'unknown_frame_flags'
  | 'invalid_frame_payload'
  | 'item_count_mismatch';

/** The response cannot be understood. The function may have been called. */
export class ResponseError extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_RESPONSE';
  /** The kind of problem. */
  readonly reason: ResponseErrorReason;
  /** Details as text; may be empty. */
  readonly detail: string;

  constructor(reason: ResponseErrorReason, detail = '', options?: ErrorOptions) {
    const colon = detail === '' ? '' : `: ${excerpt(detail)}`;
    super(`the response cannot be understood: ${reason}${colon}`, options);
    this.reason = reason;
    this.detail = detail;
  }
}

/** Fields of a {@link StreamError}. */
export interface StreamFields extends ErrorOptions {
  /** How many items had arrived. */
  readonly items: number;
}

/** The connection or the response ended before the stream did. Earlier items are authentic and complete. */
export class StreamError extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_STREAM';
  /** How many items had arrived. */
  readonly items: number;

  constructor(message: string, { items, ...options }: StreamFields) {
    super(message, options);
    this.items = items;
  }
}

/** Fields of an {@link OptionError}. */
export interface OptionFields extends ErrorOptions {
  /** The option or argument. */
  readonly option: string;
}

/** An option or an argument is unknown or has an invalid value. */
export class OptionError extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_OPTION';
  /** The option or argument, such as `recvTimeout`, `secret[1]` or `modules.string`. */
  readonly option: string;

  constructor(message: string, { option, ...options }: OptionFields) {
    super(message, options);
    this.option = option;
  }
}

/** The client or server was closed before the operation, or while it was in progress. */
export class ClosedError extends BackwaterError {
  override readonly code = 'ERR_BACKWATER_CLOSED';
}

function excerpt(text: string): string {
  return truncate(text, 300).replace(/[\p{Cc}\u2028\u2029]/gu, ' ');
}

// In a table, because minifiers rename classes.
for (const [name, constructor] of Object.entries({
  ListenError,
  ConnectError,
  ConnectionLostError,
  TlsError,
  TimeoutError,
  QueueFullError,
  RemoteError,
  RemoteException,
  ResponseAuthenticationError,
  ResponseError,
  StreamError,
  OptionError,
  ClosedError,
})) {
  defineError(constructor, name);
}

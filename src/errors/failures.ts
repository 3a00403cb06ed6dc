import {
  BackwaterError,
  ClosedError,
  ConnectError,
  ConnectionLostError,
  ListenError,
  OptionError,
  QueueFullError,
  RemoteError,
  ResponseAuthenticationError,
  type ResponseAuthenticationReason,
  ResponseError,
  type ResponseErrorReason,
  SizeError,
  TermError,
  TimeoutError,
  type TimeoutFields,
  type UnverifiedResponse,
  TlsError,
  type TlsErrorReason,
} from './errors.js';
import { isError } from '../platform/realms.js';

/** What crates/node/src/failures.rs writes. */
type Failure =
  | { kind: 'listen'; message: string; host?: string; port?: number; reason?: string }
  | {
      kind: 'connect';
      phase?: 'resolve' | 'connect' | 'tls';
      message: string;
      host?: string;
      port?: number;
      reason?: string | null;
    }
  | { kind: 'tls'; message: string; host: string; port: number; reason: TlsErrorReason }
  | { kind: 'option'; option: string; message: string }
  | { kind: 'lost' | 'closed' | 'internal' | 'term'; message: string }
  | ({ kind: 'timeout' } & TimeoutFields)
  | { kind: 'queue'; limit: number }
  | { kind: 'remote'; status: number; reason: string }
  | {
      kind: 'authentication';
      reason: ResponseAuthenticationReason;
      header?: string | null;
      unverified?: UnverifiedResponse;
    }
  | {
      kind: 'response';
      reason: ResponseErrorReason;
      detail: string;
      /** Where in the body the term is wrong. */
      offset?: number | null;
    }
  | { kind: 'size'; option: 'maxEncodedArgsSize'; limit: number };

/**
 * The error for a failure on the Rust side: its JSON, parsed or as the message of what the addon has
 * thrown.
 */
export function failureOf(reason: unknown): Error {
  const failure = isError(reason) ? parse(reason.message) : reason;
  if (!isFailure(failure)) return BackwaterError.from(reason);
  switch (failure.kind) {
    case 'listen': {
      const { message, host, port, reason: name } = failure;
      return new ListenError(listenMessage(message, host, port, name), addressOf(failure));
    }
    case 'connect':
      return new ConnectError(connectMessage(failure), {
        ...addressOf(failure),
        phase: failure.phase,
      });
    case 'tls': {
      const { message, host, port, reason } = failure;
      return new TlsError(message, { host, port, reason, phase: 'tls' });
    }
    case 'option':
      return new OptionError(failure.message, { option: failure.option });
    case 'lost':
      return new ConnectionLostError(failure.message);
    case 'timeout':
      return new TimeoutError(failure);
    case 'queue':
      return new QueueFullError(failure);
    case 'remote':
      return new RemoteError(failure.status, failure.reason);
    case 'authentication':
      return new ResponseAuthenticationError(failure.reason, {
        header: failure.header ?? undefined,
        unverified: failure.unverified,
      });
    case 'response':
      return responseError(failure);
    case 'size':
      return new SizeError(failure);
    case 'term':
      return new TermError(failure.message);
    case 'closed':
      return new ClosedError(failure.message);
    case 'internal':
      return new BackwaterError(failure.message);
  }
}

function responseError({ reason, detail, offset }: Failure & { kind: 'response' }): ResponseError {
  if (typeof offset !== 'number') return new ResponseError(reason, detail);
  return new ResponseError(reason, detail, { cause: new TermError(detail, { offset }) });
}

function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'kind');
}

function parse(text: string): unknown {
  if (!text.startsWith('{')) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function addressOf(failure: { host?: string; port?: number; reason?: string | null }): {
  host?: string;
  port?: number;
  reason?: string;
} {
  const { host, port, reason } = failure;
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(typeof reason === 'string' ? { reason } : {}),
  };
}

function connectMessage({ message, phase, reason }: Failure & { kind: 'connect' }): string {
  const refused = phase === 'connect' && reason === 'ECONNREFUSED';
  return refused ? `${message}: is the server running, on this port?` : message;
}

/** As Node's own: `listen EADDRINUSE: address already in use 127.0.0.1:8080`. */
function listenMessage(message: string, host = '', port = 0, name?: string | null): string {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  if (name === 'EADDRINUSE') {
    return (
      `listen EADDRINUSE: address already in use ${address} ` +
      '(to share the port, set the option reusePort in every process that listens on it)'
    );
  }
  if (name === 'ENOTSUP') return `listen ENOTSUP: ${message} (option reusePort) ${address}`;
  return `listen ${typeof name === 'string' ? `${name}: ` : ''}${message} ${address}`;
}

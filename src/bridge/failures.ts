import {
  type AddressFields,
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
  StreamError,
  TermError,
  TimeoutError,
  TlsError,
  type TlsErrorReason,
} from '../errors/errors.js';
import { addressText } from '../platform/inspect.js';
import type { Failure } from '../platform/native.js';

type FailureOf<Kind extends Failure['kind']> = Failure & { kind: Kind };

export function errorOf(failure: Failure): Error {
  switch (failure.kind) {
    case 'listen':
      return new ListenError(listenMessage(failure), addressOf(failure));
    case 'connect':
      return new ConnectError(failure.message, {
        ...addressOf(failure),
        phase: failure.phase,
      });
    case 'tls': {
      const { message, host, port, reason } = failure;
      return new TlsError(message, { host, port, reason: reason as TlsErrorReason, phase: 'tls' });
    }
    case 'option':
      return new OptionError(failure.message, { option: failure.option });
    case 'timeout': {
      const { phase, times, option, limit, host, port } = failure;
      const address = { host: host ?? undefined, port: port ?? undefined };
      return new TimeoutError({ phase, times, option, limit, ...address });
    }
    case 'lost':
      return new ConnectionLostError(failure.message);
    case 'truncated':
      return new StreamError(failure.message, { items: failure.items });
    case 'queue':
      return new QueueFullError({ limit: failure.limit });
    case 'remote':
      return new RemoteError(failure.status, failure.reason, {
        detail: failure.detail ?? undefined,
      });
    case 'authentication':
      return new ResponseAuthenticationError(failure.reason as ResponseAuthenticationReason, {
        header: failure.header ?? undefined,
        unverified: failure.unverified ?? undefined,
      });
    case 'response':
      return responseError(failure);
    case 'size':
      return new SizeError({ option: failure.option, limit: failure.limit });
    case 'term':
      return new TermError(failure.message);
    case 'closed':
      return new ClosedError(failure.message);
    case 'internal':
      return new BackwaterError(failure.message);
  }
}

export function unwrap<T>(result: T | Failure): T {
  if (isFailure(result)) throw errorOf(result);
  return result;
}

function isFailure(result: unknown): result is Failure {
  return typeof result === 'object' && result !== null && Object.hasOwn(result, 'kind');
}

function responseError({ reason, detail, offset }: FailureOf<'response'>): ResponseError {
  const options = offset === null ? {} : { cause: new TermError(detail, { offset }) };
  return new ResponseError(reason as ResponseErrorReason, detail, options);
}

function addressOf({ host, port, reason }: FailureOf<'listen' | 'connect'>): AddressFields {
  return { host, port: port ?? undefined, reason: reason ?? undefined };
}

/** `listen EADDRINUSE: address already in use 127.0.0.1:8080`, as in Node. */
function listenMessage({ message, host, port, reason }: FailureOf<'listen'>): string {
  const address = addressText(host, port);
  if (reason === 'EADDRINUSE') {
    return (
      `listen EADDRINUSE: address already in use ${address} ` +
      '(to share the port, set the option reusePort in every process that listens on it)'
    );
  }
  if (reason === 'ENOTSUP') return `listen ENOTSUP: ${message} (option reusePort) ${address}`;
  return `listen ${reason === null ? '' : `${reason}: `}${message} ${address}`;
}

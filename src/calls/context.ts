import type { X509Certificate } from 'node:crypto';

/** The other end of a call's connection. */
export interface CallPeer {
  /** The IP address of the caller, or of a proxy in between. */
  readonly address: string;
  /** The port. */
  readonly port: number;
  /**
   * The client certificate; undefined unless the server requires one with {@link TlsServerOptions.clientCa}.
   */
  readonly certificate: X509Certificate | undefined;
  /** The subject of the certificate, most specific part first (RFC 4514), such as `CN=alice,O=Example`. */
  readonly certificateSubject: string | undefined;
}

/** The first argument of a function that is exposed with `expose.fn(fn, { context: true })`: see docs/context.md. */
export interface CallContext {
  /**
   * Aborts when the caller hangs up (reason: an `AbortError`), when its deadline passes (a `TimeoutError`),
   * or when the server closes the connection. Never aborts after the function has ended.
   */
  readonly signal: AbortSignal;
  /** When the caller gives up, if it has said so. Erlang's clients do not. */
  readonly deadline: Date | undefined;
  /** The other end of the connection. */
  readonly peer: CallPeer;
  /** The identifier that the caller gave to the request. */
  readonly requestId: string;
  /** The name of the caller, proven by its secret; undefined if the secrets have no names. */
  readonly caller: string | undefined;
  /** The signed {@link CallOptions.metadata} of the caller. */
  readonly metadata: ReadonlyMap<string, string>;
  /** The name of the called module. */
  readonly module: string;
  /** The name of the called function. */
  readonly function: string;
  /** The number of arguments without the context. */
  readonly arity: number;
}

import type { X509Certificate } from 'node:crypto';

/** The other end of the connection that a call has come by. */
export interface CallPeer {
  /** Its IP address, or the address of a proxy in between. */
  readonly address: string;
  /** Its port. */
  readonly port: number;
  /**
   * The certificate that it has sent, parsed when you first ask for it; undefined unless the server
   * requires one, see {@link TlsServerOptions.clientCa}.
   */
  readonly certificate: X509Certificate | undefined;
  /** The subject of the certificate, most specific part first (RFC 4514), such as `CN=alice,O=Example`. */
  readonly certificateSubject: string | undefined;
}

/**
 * What a function can know about the call that it answers, if it asks for that:
 * `expose.fn(fn, { context: true })` has it given as the first argument.
 *
 * @example
 * ```ts
 * import { expose, startClearServer, type CallContext } from 'backwater';
 *
 * const report = expose.fn(
 *   async ({ signal }: CallContext, year: number) => {
 *     const response = await fetch(`https://example.com/figures/${year}`, { signal });
 *     return await response.text();
 *   },
 *   { context: true },
 * );
 * await startClearServer(process.env.SECRET!, { reports: { report } });
 * ```
 */
export interface CallContext {
  /**
   * Aborts when the caller goes away: it hangs up (reason: an `AbortError`),
   * its deadline passes (reason: a `TimeoutError`), or the server is closed and cuts the call. It does
   * not abort once the function has ended.
   */
  readonly signal: AbortSignal;
  /** When the caller gives up; undefined when it has not said so, as Erlang's does not. */
  readonly deadline: Date | undefined;
  /** Who calls. */
  readonly peer: CallPeer;
  /** The identifier that the caller has given to the request. */
  readonly requestId: string;
  /**
   * The name of the caller, proved by its secret: see {@link ServerSecrets}. Undefined if the server's secrets
   * have no names.
   */
  readonly caller: string | undefined;
  /**
   * What the caller has sent along with the call: see {@link CallOptions.metadata}. Only what the caller
   * has signed is here.
   */
  readonly metadata: ReadonlyMap<string, string>;
  /** The name of the module that was called. */
  readonly module: string;
  /** The name of the function that was called. */
  readonly function: string;
  /** The number of arguments besides this context. */
  readonly arity: number;
}

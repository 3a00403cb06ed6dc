import type { AsyncResource } from 'node:async_hooks';
import { X509Certificate } from 'node:crypto';
import { bridge } from '../bridge/bridge.js';
import type { TraceHeaders } from '../options/metadata.js';

/** The other end of the connection that a call has come by. */
export interface CallPeer {
  /** Its IP address: that of the proxy, when there is one in between. */
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

class Peer implements CallPeer {
  readonly address: string;
  readonly port: number;
  #der: Uint8Array | undefined;
  #certificate: X509Certificate | undefined;

  constructor(address: string, port: number, der: Uint8Array | undefined) {
    this.address = address;
    this.port = port;
    this.#der = der;
    Object.freeze(this);
  }

  get certificate(): X509Certificate | undefined {
    if (this.#der !== undefined) {
      this.#certificate = new X509Certificate(this.#der);
      this.#der = undefined;
    }
    return this.#certificate;
  }

  get certificateSubject(): string | undefined {
    // Node gives one part a line, the least specific one first, with special characters escaped.
    return this.certificate?.subject.split('\n').reverse().join(',');
  }
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

/** The function that a call is for. */
interface CalledFunction {
  readonly module: string;
  readonly name: string;
  readonly arity: number;
}

/** The context of one call. What costs something is made when it is first asked for. */
export class Context implements CallContext {
  readonly deadline: Date | undefined;
  readonly peer: CallPeer;
  readonly requestId: string;
  /** The trace that the caller says the call belongs to, as far as it is signed. */
  trace: TraceHeaders;
  readonly module: string;
  readonly function: string;
  readonly arity: number;
  readonly #metadata: readonly string[];
  readonly #call: number;
  readonly #scope: AsyncResource;
  #controller: AbortController | undefined;
  #ended = false;

  /** @param scope the asynchronous context of the call, in which listeners of the signal run */
  constructor(call: number, scope: AsyncResource, { module, name, arity }: CalledFunction) {
    // There is none when the connection has been cut in between.
    const caller = bridge.native.caller(call);
    this.#call = call;
    this.#scope = scope;
    this.peer = new Peer(
      caller?.address ?? '',
      caller?.port ?? 0,
      caller?.certificate ?? undefined,
    );
    this.requestId = caller?.requestId ?? '';
    this.#metadata = caller?.metadata ?? [];
    this.trace = {
      traceparent: caller?.traceparent ?? undefined,
      tracestate: caller?.tracestate ?? undefined,
      baggage: caller?.baggage ?? undefined,
    };
    const deadline = caller?.deadline;
    this.deadline = typeof deadline === 'number' ? new Date(deadline) : undefined;
    this.module = module;
    this.function = name;
    this.arity = arity;
  }

  get metadata(): Map<string, string> {
    this.#metadataMap ??= new Map(pairs(this.#metadata));
    return this.#metadataMap;
  }
  #metadataMap: Map<string, string> | undefined;

  /** What the interceptors have made of metadata and trace. */
  revise(metadata: Map<string, string>, trace: TraceHeaders): void {
    this.#metadataMap = metadata;
    this.trace = trace;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (!this.#ended) bridge.watchCaller(this.#call, (overdue) => this.#abort(overdue));
    }
    return this.#controller.signal;
  }

  /** The function has ended: nothing aborts any more. */
  end(): void {
    this.#ended = true;
    if (this.#controller !== undefined) bridge.unwatchCaller(this.#call);
  }

  #abort(overdue: boolean): void {
    const reason = overdue
      ? new DOMException('the deadline of the call has passed', 'TimeoutError')
      : new DOMException('the caller has gone away', 'AbortError');
    const controller = this.#controller;
    if (controller !== undefined) this.#scope.runInAsyncScope(() => controller.abort(reason));
  }
}

/** What stands in turns, two by two. */
function* pairs(flat: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at < flat.length; at += 2) yield [flat[at]!, flat[at + 1]!];
}

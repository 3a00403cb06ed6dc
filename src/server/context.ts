import { AbortController, DOMException } from '../platform/host.js';
import type { AsyncResource } from 'node:async_hooks';
import { X509Certificate } from 'node:crypto';
import { bridge } from '../bridge/bridge.js';
import type { CallContext, CallPeer } from '../calls/context.js';
import { environment } from '../platform/environment.js';
import type { TraceHeaders } from '../options/metadata.js';

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
    // Node puts one part on each line, the least specific first, and escapes special characters.
    return this.certificate?.subject.split('\n').reverse().join(',');
  }
}

interface CalledFunction {
  readonly module: string;
  readonly name: string;
  readonly arity: number;
}

/** Computes the costly parts on first use. */
export class Context implements CallContext {
  readonly deadline: Date | undefined;
  readonly peer: CallPeer;
  readonly requestId: string;
  readonly caller: string | undefined;
  trace: TraceHeaders;
  readonly stream: boolean;
  readonly module: string;
  readonly function: string;
  readonly arity: number;
  readonly #metadata: readonly string[];
  readonly #call: number;
  readonly #scope: AsyncResource;
  #controller: AbortController | undefined;
  #ended = false;

  constructor(call: number, scope: AsyncResource, { module, name, arity }: CalledFunction) {
    // Undefined if the connection has been lost.
    const caller = environment.caller(call);
    this.#call = call;
    this.#scope = scope;
    this.peer = new Peer(
      caller?.address ?? '',
      caller?.port ?? 0,
      caller?.certificate ?? undefined,
    );
    this.requestId = caller?.requestId ?? '';
    this.caller = caller?.name ?? undefined;
    this.stream = caller?.stream ?? false;
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

function* pairs(flat: readonly string[]): Generator<[string, string]> {
  for (let at = 0; at < flat.length; at += 2) yield [flat[at]!, flat[at + 1]!];
}

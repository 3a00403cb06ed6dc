export { call, Client, tryCall } from './client.js';
export type { CallResult, Target } from './client.js';
export type { ClientStats, EndpointStats } from './client-stats.js';
export { encode } from './codec/encode.js';
export { decode } from './codec/decode.js';
export type { Reviver, StructReviver, TupleReviver } from './codec/revivers.js';
export type { CallContext, CallPeer } from './context.js';
export { elixir, type ElixirHooks, type ElixirOptions } from './elixir.js';
export * from './errors.js';
export { raise, RaisedException } from './exceptions.js';
export { decodeResponse, encodeRequest } from './http.js';
export type { EncodedRequest } from './http.js';
export type { HttpResponse } from './http-response.js';
export { fromErlang, toElixir, toErlang } from './notation.js';
export type {
  CallOptions,
  CloseOptions,
  ClientOptions,
  DecodeOptions,
  EncodeOptions,
  EncodeRequestOptions,
  FromErlangOptions,
  ServerOptions,
  ToElixirOptions,
  ToErlangOptions,
  WorkerOptions,
} from './options.js';
export type { AbortSignalLike } from './realms.js';
export { expose } from './registry.js';
export type {
  ContextFunction,
  ExposeContextOptions,
  ExposeFunctionOptions,
  ExposeOptions,
  Modules,
} from './registry.js';
export type { AnyModule, RemoteModule } from './remote-module.js';
export type {
  ClientUrl,
  EndpointAddress,
  EndpointResolver,
  ResolveContext,
} from './resolve/targets.js';
export type { Secret } from './secrets.js';
export { startClearServer, startTlsServer } from './server.js';
export type { SecureServerOptions, Server, ServerStats, TlsServer } from './server.js';
export type { WorkerStats } from './workers.js';
export * from './terms/index.js';
export type { Pem, TlsCertificate, TlsClientOptions, TlsServerOptions } from './tls.js';

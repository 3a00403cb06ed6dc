export type { TracedCall } from './calls/channels.js';
export type { ParentCall } from './calls/deadline.js';
export type { InterceptedCall, Interceptor, Next } from './calls/interceptor.js';
export { Client } from './client/client.js';
export type { Target } from './client/client.js';
export { call, tryCall } from './client/shared-clients.js';
export type { CallError, CallResult, ClientView } from './client/view.js';
export type { ClientStats, EndpointStats } from './client/stats.js';
export { encode } from './codec/encode.js';
export { decode } from './codec/decode.js';
export type { Reviver, StructReviver, TupleReviver } from './codec/revivers.js';
export type { CallContext, CallPeer } from './calls/context.js';
export * from './errors/errors.js';
export { isRetryable, type RetryOptions } from './errors/retryable.js';
export { raise, RaisedException } from './exceptions/exceptions.js';
export { decodeResponse, encodeRequest } from './http/http.js';
export type { EncodedRequest } from './http/http.js';
export type { HttpResponse } from './http/response.js';
export { fromErlang, toElixir, toErlang } from './codec/notation.js';
export type { CallOptions, ClientOptions, StreamOptions } from './client/options.js';
export type {
  DecodeOptions,
  EncodeOptions,
  FromErlangOptions,
  ToElixirOptions,
  ToErlangOptions,
} from './codec/options.js';
export type { EncodeRequestOptions } from './http/options.js';
export type { CloseOptions, ServerOptions, WorkerOptions } from './server/options.js';
export type { MetadataInput, TraceHeaders } from './options/metadata.js';
export type { AbortSignalLike } from './platform/realms.js';
export { expose } from './server/expose.js';
export type {
  ExposeContextOptions,
  ExposeFunctionOptions,
  ExposeOptions,
  ExposeSchemaOptions,
} from './server/expose.js';
export type {
  CheckedModules,
  ContextFunction,
  ExposedAs,
  ExposedModule,
} from './server/exposed-types.js';
export type { Modules } from './server/registry.js';
export type { SchemaIssue, StandardSchema } from './server/schema.js';
export type { RemoteStream } from './client/item-stream.js';
export type { AnyModule, RemoteModule, StreamsOf } from './client/remote-module.js';
export type {
  ClientUrl,
  EndpointAddress,
  EndpointResolver,
  ResolveContext,
} from './resolve/targets.js';
export type { CallerSecrets, ServerSecrets } from './options/callers.js';
export type { Secret } from './options/secrets.js';
export { startClearServer, startTlsServer } from './server/server.js';
export type {
  CallerStats,
  SecureServerOptions,
  Server,
  ServerStats,
  TlsServer,
} from './server/server.js';
export type { WorkerStats } from './server/workers/workers.js';
export * from './terms/index.js';
export type { Pem, TlsCertificate, TlsClientOptions, TlsServerOptions } from './options/tls.js';

import { Buffer } from 'node:buffer';
import { BackwaterError } from '../errors/errors.js';
import { toJson } from '../platform/json.js';
import { mergeMetadata } from '../options/metadata.js';
import { parseSecrets } from '../options/secrets.js';
import type { CallOptions, ClientOptions } from './options.js';
import { ownProperties } from '../platform/own-properties.js';
import { tlsClientKey } from '../options/tls.js';
import { runAtRoot } from '../platform/host.js';
import { isError } from '../platform/realms.js';
import { type EndpointResolver, parseSource } from '../resolve/targets.js';
import type { Term } from '../terms/values.js';
import { Client } from './client.js';
import { type CallResult, intercepting } from './view.js';

const shared = new Map<string, Client>();
const MAX_SHARED = 64;

/**
 * Makes one call without a client of your own. Calls from this thread to the same target share a client.
 *
 * @example
 * ```ts
 * import { call } from 'backwater';
 * const target = { url: '127.0.0.1:8080', secret: 'at least 32 bytes of random data' };
 * const upper = call(target, 'string', 'to_upper', ['hello']);
 * ```
 */
export async function call<T = Term>(
  target: ClientOptions,
  module: string,
  fn: string,
  args: readonly unknown[] = [],
  options?: CallOptions,
): Promise<T> {
  const { encoders, revivers, metadata, interceptors, ...rest } = ownProperties(target);
  const client = intercepting(sharedClient(rest), interceptors);
  if (encoders === undefined && revivers === undefined && metadata === undefined) {
    return client.call<T>(module, fn, args, options);
  }
  const own = { encoders, revivers, ...options };
  if (metadata !== undefined) own.metadata = mergeMetadata(metadata, own.metadata);
  return client.call<T>(module, fn, args, own);
}

/** Like {@link call}, but never rejects. */
export async function tryCall<T = Term>(
  target: ClientOptions,
  module: string,
  fn: string,
  args: readonly unknown[] = [],
  options?: CallOptions,
): Promise<CallResult<T>> {
  try {
    return { ok: true, value: await call<T>(target, module, fn, args, options) };
  } catch (error) {
    return { ok: false, error: isError(error) ? error : BackwaterError.from(error) };
  }
}

const numbers = new WeakMap<object, number>();
let functions = 0;

function numberOf(resolver: EndpointResolver): number {
  const number = numbers.get(resolver) ?? ++functions;
  numbers.set(resolver, number);
  return number;
}

function sharedClient(target: ClientOptions): Client {
  const { url, secret, tls, ...rest } = ownProperties(target);
  const source = parseSource(url);
  const where = typeof source === 'function' ? numberOf(source) : source;
  const secrets = parseSecrets(secret).map((bytes) => Buffer.from(bytes).toString('base64'));
  const sorted = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
  const secure = tls === undefined ? undefined : tlsClientKey(tls);
  // JSON lacks Infinity.
  const key = toJson([where, secrets, secure, sorted], (value) =>
    typeof value === 'number' ? String(value) : value,
  );
  const known = shared.get(key);
  if (known !== undefined) {
    // Keeps the least recently used client first.
    shared.delete(key);
    shared.set(key, known);
    return known;
  }
  // The client outlives this call, so it must not keep the call's async context.
  const client = runAtRoot(() => new Client(target));
  shared.set(key, client);
  if (shared.size > MAX_SHARED) {
    const [oldest, least] = shared.entries().next().value!;
    shared.delete(oldest);
    void least.close();
  }
  return client;
}

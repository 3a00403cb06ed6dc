import { isIP } from 'node:net';
import { threadId } from 'node:worker_threads';
import { bridge } from '../bridge/bridge.js';
import { toJson } from '../bridge/json.js';
import { Resolver, type ListedEndpoint, type ResolverSettings } from './resolver.js';
import { isFixed, type Source } from './targets.js';

/** What the addon is told of a client's endpoints when the client is made. */
export interface EndpointOptions {
  readonly endpoints: readonly ListedEndpoint[];
  /** Set when the endpoints are told later; no other client has the same. */
  readonly resolver: string | null;
}

let resolvers = 0;

export function endpointOptions(source: Source): EndpointOptions {
  if (!isFixed(source)) return { endpoints: [], resolver: `${threadId}/${resolvers++}` };
  const endpoints = source.flatMap((target) => {
    if (target.kind !== 'host' || isIP(target.endpoint.host) === 0) return [];
    const { scheme, host, port } = target.endpoint;
    return [{ scheme, host, port, address: host, weight: target.weight, priority: 0 }];
  });
  return { endpoints, resolver: null };
}

/** Keeps the addon's client up to date; undefined when there is nothing to resolve. */
export function startResolver(
  client: number,
  source: Source,
  settings: ResolverSettings,
): Resolver | undefined {
  if (isFixed(source)) return undefined;
  const { native } = bridge;
  const resolver = new Resolver(source, settings, {
    found: (endpoints) => native.setEndpoints(client, toJson(endpoints)),
    failed: (failure) => native.resolutionFailed(client, toJson(failure)),
    unchanged: () => native.endpointsUnchanged(client),
  });
  bridge.addResolver(client, () => resolver.refresh());
  return resolver;
}

export function stopResolver(client: number, resolver: Resolver | undefined): void {
  resolver?.close();
  bridge.removeResolver(client);
}

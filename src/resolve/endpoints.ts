import { environment } from '../platform/environment.js';
import { bridge } from '../bridge/bridge.js';
import { nativeOptions, type NativeEndpoint } from '../platform/native.js';
import { Resolver, type ResolverSettings } from './resolver.js';
import { endpointAt, isFixed, type Source } from './targets.js';

export interface EndpointOptions {
  readonly endpoints: NativeEndpoint[];
  /** Whether a resolver finds the endpoints later. */
  readonly isResolved: boolean;
}

export function endpointOptions(source: Source): EndpointOptions {
  if (!isFixed(source)) return { endpoints: [], isResolved: true };
  const endpoints = source.map((target) => nativeOptions(endpointAt(target, target.endpoint.host)));
  return { endpoints, isResolved: false };
}

/** Undefined if there is nothing to resolve. */
export function startResolver(
  client: number,
  source: Source,
  settings: ResolverSettings,
): Resolver | undefined {
  if (isFixed(source)) return undefined;
  const resolver = new Resolver(source, settings, {
    found: (endpoints) => environment.setEndpoints(client, endpoints.map(nativeOptions)),
    failed: (failure) => environment.resolutionFailed(client, nativeOptions(failure)),
    unchanged: () => environment.endpointsUnchanged(client),
  });
  bridge.addResolver(client, () => resolver.refresh());
  return resolver;
}

export function stopResolver(client: number, resolver: Resolver | undefined): void {
  resolver?.close();
  bridge.removeResolver(client);
}

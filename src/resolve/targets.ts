import { isIP } from 'node:net';
import { type Endpoint, parseEndpoint, refuseUrl } from '../options/endpoint.js';
import { OptionError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import type { NativeEndpoint } from '../platform/native.js';
import { isUrl } from '../platform/realms.js';

/** A server as an {@link EndpointResolver} returns it. */
export interface EndpointAddress {
  /** A host name or an address, an IPv6 address without brackets. */
  readonly host: string;
  /** 1 to 65,535; 443 and 8443 mean https. */
  readonly port: number;
  /** Share of the calls relative to other servers, 1 (default) to 65,535. */
  readonly weight?: number | undefined;
}

/** The argument of an {@link EndpointResolver}. */
export interface ResolveContext {
  /** Aborts when the client is closed, or when the answer would come too late. */
  readonly signal: AbortSignal;
}

/** Returns the current servers. */
export type EndpointResolver = (
  context: ResolveContext,
) =>
  Iterable<string | URL | EndpointAddress> | PromiseLike<Iterable<string | URL | EndpointAddress>>;

/** The option `url` of clients. */
export type ClientUrl = string | URL | readonly (string | URL)[] | EndpointResolver;

interface HostTarget {
  readonly kind: 'host';
  readonly endpoint: Endpoint;
  readonly weight: number;
}

export type Target =
  HostTarget | { readonly kind: 'srv'; readonly scheme: Endpoint['scheme']; readonly name: string };

export type Source = readonly Target[] | EndpointResolver;

/** Leaves room below 1 for SRV records of weight 0. */
export const WEIGHT_UNIT = 100;
const MAX_TARGETS = 1000;
const SRV = /^srv\+(https?):\/\/([^/?#]*)(.*)$/i;

export function parseSource(url: unknown): Source {
  if (typeof url === 'function') return url as EndpointResolver;
  if (!Array.isArray(url)) return [parseTarget(url)];
  if (url.length === 0) throw refuseUrl('has no server in its list');
  return Array.from(url, (each: unknown, index) => {
    try {
      return parseTarget(each);
    } catch (error) {
      throw atPlace(error, `url[${index}]`);
    }
  });
}

export function parseResolved(found: unknown): readonly Target[] {
  if (
    typeof found !== 'object' ||
    found === null ||
    typeof (found as Partial<Iterable<unknown>>)[Symbol.iterator] !== 'function'
  ) {
    throw refuseUrl(
      `as a function must return a list of servers, not ${inspectBriefly(found, 100)}`,
    );
  }
  const targets: Target[] = [];
  for (const each of found as Iterable<unknown>) {
    if (targets.length === MAX_TARGETS) {
      throw refuseUrl(`as a function may return at most ${MAX_TARGETS} servers`);
    }
    targets.push(isAddress(each) ? fromAddress(each) : parseTarget(each));
  }
  return targets;
}

/** Whether every server has an address. */
export function isFixed(source: Source): source is readonly HostTarget[] {
  return (
    typeof source !== 'function' &&
    source.every((target) => target.kind === 'host' && isIP(target.endpoint.host) !== 0)
  );
}

export function endpointAt({ endpoint, weight }: HostTarget, address: string): NativeEndpoint {
  const { scheme, host, port } = endpoint;
  return { scheme, host, port, address, weight, priority: 0 };
}

export function maySpeakTls(source: Source): boolean {
  if (typeof source === 'function') return true;
  return source.some((target) =>
    target.kind === 'srv' ? target.scheme === 'https' : target.endpoint.scheme === 'https',
  );
}

export function nameOf(target: Target): string {
  return target.kind === 'srv' ? `srv+${target.scheme}://${target.name}` : target.endpoint.host;
}

function parseTarget(url: unknown): Target {
  const text = isUrl(url) ? url.href : url;
  const match = typeof text === 'string' ? SRV.exec(text) : null;
  if (match === null) return { kind: 'host', endpoint: parseEndpoint(url), weight: WEIGHT_UNIT };
  const [, scheme, name = '', rest = ''] = match;
  const lower = scheme!.toLowerCase() as Endpoint['scheme'];
  return { kind: 'srv', scheme: lower, name: serviceName(name, rest) };
}

function serviceName(name: string, rest: string): string {
  if (name.includes('@')) {
    throw refuseUrl("cannot have a user or a password: calls are signed with the option 'secret'");
  }
  if (name.includes(':')) {
    throw refuseUrl(
      'cannot have a port with srv+http and srv+https: it comes from the SRV records',
    );
  }
  if (!['', '/', '/backwater/1', '/backwater/1/'].includes(rest)) {
    throw refuseUrl('cannot have a path, a query or a fragment with srv+http and srv+https');
  }
  const lower = name.toLowerCase().replace(/\.$/, '');
  if (lower.length > 253 || !/^[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(lower)) {
    throw refuseUrl(`takes a name with srv+http and srv+https, not ${inspectBriefly(name, 100)}`);
  }
  return lower;
}

function isAddress(value: unknown): value is EndpointAddress {
  return typeof value === 'object' && value !== null && !isUrl(value);
}

function fromAddress({ host, port, weight = 1 }: EndpointAddress): Target {
  if (typeof host !== 'string' || !Number.isInteger(port)) {
    throw refuseUrl(
      'as a function must return servers with a string as host and an integer as port',
    );
  }
  if (!Number.isInteger(weight) || weight < 1 || weight > 65535) {
    throw refuseUrl(`takes weights from 1 to 65535, not ${inspectBriefly(weight, 100)}`);
  }
  const name = isIP(host) === 6 ? `[${host}]` : host;
  const endpoint = parseEndpoint(`${name}:${port}`);
  return { kind: 'host', endpoint, weight: weight * WEIGHT_UNIT };
}

function atPlace(error: unknown, place: string): unknown {
  if (!(error instanceof OptionError)) return error;
  const message = error.message.replace("option 'url'", `option '${place}'`);
  return new OptionError(message, { option: place, cause: error.cause });
}

import { isIPv6 } from 'node:net';
import { URL } from 'node:url';
import { OptionError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { isUrl } from '../platform/realms.js';
import { refuseOption } from './table.js';

export interface Endpoint {
  readonly scheme: 'http' | 'https';
  /** A host name in ASCII or an address; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly basePath: '/backwater/1/';
}

const BASE_PATH = '/backwater/1/';
const DEFAULT_PORT = 8080;
/** Without a scheme, these ports mean TLS, as in Erlang's backwater. */
const TLS_PORTS: readonly number[] = [443, 8443];
const FORMS = "a URL such as 'http://10.0.0.1:8080', 'host', or 'host:port'";

/**
 * @throws {@link OptionError} also for a path other than `/` or `/backwater/1`, a query, a fragment or a user
 */
export function parseEndpoint(url: unknown): Endpoint {
  // URLs of other realms may follow other rules.
  if (isUrl(url)) return fromUrl(parseUrl(url.href));
  if (typeof url !== 'string') throw refuseUrl(`takes ${FORMS}, not ${inspectBriefly(url, 100)}`);
  // The URL parser would drop these silently.
  if (/[\s\p{Cc}]/u.test(url)) throw refuseUrl(`takes ${FORMS}, without white space`);
  return url.includes('://') ? fromUrl(parseUrl(url)) : fromHost(url);
}

function fromUrl(url: URL): Endpoint {
  if (url.username !== '' || url.password !== '') {
    throw refuseUrl("cannot have a user or a password: calls are signed with the option 'secret'");
  }
  const { scheme, port } = schemeOf(url.protocol);
  // `search` and `hash` are also empty for a bare `?` or `#`.
  if (/[?#]/.test(url.href)) throw refuseUrl('cannot have a query or a fragment');
  if (!['/', '/backwater/1', BASE_PATH].includes(url.pathname)) {
    throw refuseUrl(`cannot have a path other than ${BASE_PATH}`);
  }
  return endpointOf(scheme, url, url.port === '' ? port : Number(url.port));
}

function schemeOf(protocol: string): { scheme: Endpoint['scheme']; port: number } {
  if (protocol === 'http:') return { scheme: 'http', port: 80 };
  if (protocol === 'https:') return { scheme: 'https', port: 443 };
  throw refuseUrl(`takes http: or https:, not ${protocol}`);
}

function fromHost(text: string): Endpoint {
  const bare = isIPv6(text);
  const match = bare
    ? [text, `[${text}]`]
    : /^(\[[^[\]]+\]|[^:[\]/?#@\\]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) {
    // An address with an @ may hold a password.
    const given = text.includes('@') ? 'this' : inspectBriefly(text, 100);
    throw refuseUrl(`takes ${FORMS}, not ${given}`);
  }
  const port = match[2] === undefined ? DEFAULT_PORT : Number(match[2]);
  const scheme = TLS_PORTS.includes(port) ? 'https' : 'http';
  return endpointOf(scheme, parseUrl(`http://${match[1]}`), port);
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (cause) {
    // Not echoed, because it may hold a password.
    throw refuseUrl(`takes ${FORMS}; this one cannot be parsed`, cause);
  }
}

function endpointOf(scheme: Endpoint['scheme'], { hostname }: URL, port: number): Endpoint {
  if (port < 1 || port > 65535) throw refuseUrl(`takes a port from 1 to 65535, not ${port}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  return Object.freeze({ scheme, host, port, basePath: BASE_PATH });
}

export function refuseUrl(what: string, cause?: unknown): OptionError {
  return refuseOption('url', what, cause);
}

import { boundedUrl, isBoundedHost, SPECIAL } from '../platform/url.js';
import type { Atom } from '../terms/index.js';
import { type Fields, integer, struct } from './struct.js';

/** Elixir's default ports. */
const PORTS: Readonly<Record<string, number>> = {
  ftp: 21,
  http: 80,
  https: 443,
  ldap: 389,
  sftp: 22,
  tftp: 69,
  ws: 80,
  wss: 443,
};

const TEXTS = ['userinfo', 'host', 'path', 'query', 'fragment'] as const;

/**
 * Keeps empty parts: the host of `file:///x`, the query of `http://a.b/?`. Also keeps the `/.` of `x:/.//y`,
 * because the path `//y` would become a host.
 */
export function uri(url: URL): Map<Atom, unknown> {
  const { href, protocol, username, password, hostname, port, pathname } = url;
  const scheme = protocol.slice(0, -1);
  // `search` and `hash` do not distinguish empty from missing parts.
  const [rest, fragment] = cut(href, '#');
  const [hierarchy, query] = cut(rest, '?');
  const hasAuthority = hierarchy.startsWith('//', protocol.length);
  const hasUser = username !== '' || password !== '';
  return struct('URI', {
    scheme,
    authority: null,
    userinfo: hasUser ? username + (password === '' ? '' : `:${password}`) : null,
    host: hasAuthority ? hostname.replace(/^\[(.*)\]$/, '$1') : null,
    port: port === '' ? (PORTS[scheme] ?? null) : Number(port),
    path: (hasAuthority ? pathname : hierarchy.slice(protocol.length)) || null,
    query,
    fragment,
  });
}

function cut(text: string, character: string): [string, string | null] {
  const at = text.indexOf(character);
  return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
}

/** Undefined if it is relative, its host is too long, or the URL would divide into other parts. */
export function urlOf(fields: Fields): URL | undefined {
  const text = (name: string): string | undefined =>
    typeof fields[name] === 'string' ? fields[name] : undefined;
  const scheme = text('scheme');
  if (scheme === undefined || !/^[a-z][a-z0-9+.-]*$/i.test(scheme)) return undefined;
  const isText = (part: unknown): boolean => part === null || typeof part === 'string';
  if (!TEXTS.every((name) => isText(fields[name] ?? null)) || !keepsItsParts(fields))
    return undefined;
  const [host, userinfo, query, fragment] = ['host', 'userinfo', 'query', 'fragment'].map(text);
  const port = integer(fields['port'], 0, 65_535);
  if (host !== undefined && !isBoundedHost(host)) return undefined;
  const name = host?.includes(':') === true ? `[${host}]` : host;
  const user = userinfo === undefined ? '' : `${userinfo}@`;
  const authority =
    name === undefined ? '' : `//${user}${name}${port === undefined ? '' : `:${port}`}`;
  const whole =
    `${scheme}:${authority}${text('path') ?? ''}` +
    `${query === undefined ? '' : `?${query}`}${fragment === undefined ? '' : `#${fragment}`}`;
  return boundedUrl(whole);
}

/** For example, a path must not become a host. */
function keepsItsParts({ scheme, userinfo, host, port, path, query }: Fields): boolean {
  const without = (part: unknown, characters: RegExp): boolean => !characters.test(String(part));
  const hasHost = typeof host === 'string';
  const start = typeof path === 'string' ? path : '';
  const pathFits = hasHost ? /^(?:\/|$)/.test(start) : !start.startsWith('//');
  return (
    pathFits &&
    ((hasHost && host !== '') || !SPECIAL.has(String(scheme).toLowerCase())) &&
    (port === null || port === undefined || integer(port, 0, 65_535) !== undefined) &&
    without(userinfo, /[/?#@\\]/) &&
    without(host, /[/?#@\\]/) &&
    without(path, /[?#]/) &&
    without(query, /#/)
  );
}

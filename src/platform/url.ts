/** RFC 1035, section 2.3.4. */
const MAX_HOST = 253;

const START = /^([a-z][a-z0-9+.-]*):(?:\/\/([^/?#\\]*))?/i;
/** Schemes where WHATWG's URL accepts any number of slashes and backslashes before the host. */
export const SPECIAL: ReadonlySet<string> = new Set(['ftp', 'http', 'https', 'ws', 'wss']);

/**
 * Undefined if a peer's text is not a URL, or has a long host, because `new URL` takes quadratic time for
 * hosts. Line breaks, tabs, or more or fewer than two slashes could hide a host from this check.
 */
export function boundedUrl(text: string): URL | undefined {
  const [start, scheme, authority] = START.exec(text) ?? [];
  if (start === undefined || /[\t\n\r]/.test(text)) return undefined;
  if (SPECIAL.has(scheme!.toLowerCase()) && (authority ?? '') === '') return undefined;
  // A backslash counts as a slash.
  if (/^file:(?:\\|\/\\)/i.test(text)) return undefined;
  if (authority !== undefined && !isBounded(authority)) return undefined;
  return URL.canParse(text) ? new URL(text) : undefined;
}

export function isBoundedHost(host: string): boolean {
  return host.length <= MAX_HOST;
}

/** @param authority such as `user:password@host:port` */
function isBounded(authority: string): boolean {
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const end = host.lastIndexOf(':');
  return isBoundedHost(end < 0 || host.endsWith(']') ? host : host.slice(0, end));
}

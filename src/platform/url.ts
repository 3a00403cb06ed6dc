/** How long a host may be: RFC 1035, section 2.3.4. */
const MAX_HOST = 253;

/** The scheme of a URL, and the authority if it directly follows. */
const START = /^([a-z][a-z0-9+.-]*):(?:\/\/([^/?#\\]*))?/i;
/** Schemes whose host WHATWG's URL finds after any number of slashes and backslashes, or none. */
const SPECIAL: ReadonlySet<string> = new Set(['ftp', 'http', 'https', 'ws', 'wss']);

/**
 * The URL of a text that a peer sent; undefined if the text is not one, or if its host has more than 253
 * characters. `new URL` takes quadratic time for hosts: to compose their characters, and to decode Punycode.
 *
 * Texts that could hide a host from this check are not taken for URLs either: those with line breaks and tabs,
 * which `new URL` removes, and those with other than two slashes before the host.
 */
export function boundedUrl(text: string): URL | undefined {
  const [start, scheme, authority] = START.exec(text) ?? [];
  if (start === undefined || /[\t\n\r]/.test(text)) return undefined;
  if (SPECIAL.has(scheme!.toLowerCase()) && (authority ?? '') === '') return undefined;
  // A backslash is as good as a slash.
  if (/^file:(?:\\|\/\\)/i.test(text)) return undefined;
  if (authority !== undefined && !isBounded(authority)) return undefined;
  return URL.canParse(text) ? new URL(text) : undefined;
}

/** Whether a host is short enough. */
export function isBoundedHost(host: string): boolean {
  return host.length <= MAX_HOST;
}

/** Whether the host of an authority, such as `user:password@host:port`, is short enough. */
function isBounded(authority: string): boolean {
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  const end = host.lastIndexOf(':');
  return isBoundedHost(end < 0 || host.endsWith(']') ? host : host.slice(0, end));
}

import { types } from 'node:util';
import { OptionError } from '../errors/errors.js';
import { attempt, inspectBriefly } from '../platform/inspect.js';
import { isPlainObject } from '../platform/realms.js';
import { refuseOption } from './table.js';

/** Metadata of a call: an object of names and values, or a map such as `context.metadata`. */
export type MetadataInput = Readonly<Record<string, string>> | ReadonlyMap<string, string>;

/** The headers of W3C's Trace Context and Baggage. */
export interface TraceHeaders {
  /** The span that the call belongs to. */
  traceparent?: string | undefined;
  /** Data of tracing systems. */
  tracestate?: string | undefined;
  /** Names and values that travel with the trace. */
  baggage?: string | undefined;
}

// As in crates/protocol/src/call_headers.rs.
const MAX_ENTRIES = 64;
const MAX_NAMES = 2048;
const MAX_SIZE = 8192;

export const METADATA = "an object or a Map of names and strings, such as { tenant: 'acme' }";

/** A token (RFC 9110, 5.6.2) in lower case. */
const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const RESERVED = /^(?:(?:x-)?backwater-.*|traceparent|tracestate|baggage)$/;
/** Everything but visible ASCII, and `%`, which escapes it. */
const ENCODED = /[^\x21-\x24\x26-\x7e]+/g;

export class Metadata {
  readonly entries: ReadonlyMap<string, string>;
  /** Alternating names and values, separated by NUL. */
  readonly headers: string;

  constructor(entries: ReadonlyMap<string, string>) {
    this.entries = entries;
    this.headers = encode(entries);
  }

  static of(input: MetadataInput | undefined, base?: Metadata): Metadata | undefined {
    if (input === undefined) return base;
    const entries = new Map(base?.entries);
    for (const [name, value] of entriesOf(input)) {
      checkName(name);
      checkValue(name, value);
      entries.set(name, value);
    }
    return entries.size === 0 ? undefined : new Metadata(entries);
  }
}

/** The second takes precedence. */
export function mergeMetadata(
  first: MetadataInput,
  second: MetadataInput | undefined,
): ReadonlyMap<string, string> {
  return Metadata.of(second, Metadata.of(first))?.entries ?? new Map();
}

/** What a header may contain unescaped; Cowboy limits values to 4 KiB. */
const TRACE = /^[!-~](?:[ -~]{0,4094}[!-~])?$/;

export function callHeaders(metadata: Metadata | undefined, trace?: TraceHeaders): string {
  let headers = metadata?.headers ?? '';
  if (trace === undefined) return headers;
  for (const name of ['traceparent', 'tracestate', 'baggage'] as const) {
    const value = trace[name];
    // A malformed trace must not fail the call.
    if (typeof value !== 'string' || !TRACE.test(value)) continue;
    headers += `${headers === '' ? '' : '\0'}${name}\0${value}`;
  }
  return headers;
}

function entriesOf(input: unknown): [unknown, unknown][] {
  const entries = attempt(() => {
    if (types.isMap(input)) return [...Map.prototype.entries.call(input)];
    const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
    return isObject && isPlainObject(input) ? Object.entries(input) : undefined;
  });
  if (entries !== undefined) return entries;
  throw refused(`takes ${METADATA}, not ${inspectBriefly(input, 100)}`);
}

function checkName(name: unknown): asserts name is string {
  if (typeof name !== 'string' || !NAME.test(name)) {
    throw refused(
      `has a malformed name, ${inspectBriefly(name, 100)}: names consist of a-z, 0-9 and !#$%&'*+-.^_\`|~`,
    );
  }
  if (RESERVED.test(name)) {
    throw refused(
      `has a reserved name, '${name}': traces and this library use it for their own headers`,
    );
  }
}

function checkValue(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') {
    throw refused(`takes strings; '${name}' is ${inspectBriefly(value, 100)}`);
  }
  if (!value.isWellFormed())
    throw refused(`takes no lone surrogates, but the value of '${name}' has one`);
}

function encode(entries: ReadonlyMap<string, string>): string {
  const parts: string[] = [];
  let [names, size] = [0, 0];
  for (const [name, value] of entries) {
    const encoded = value.replace(ENCODED, encodeURIComponent);
    names += name.length;
    size += name.length + encoded.length;
    parts.push(`x-backwater-meta-${name}\0${encoded}`);
  }
  if (entries.size > MAX_ENTRIES) {
    throw refused(`has ${entries.size} entries, more than ${MAX_ENTRIES}`);
  }
  if (names > MAX_NAMES) throw refused(`has names of ${names} bytes, more than ${MAX_NAMES}`);
  if (size > MAX_SIZE) {
    throw refused(
      `has ${size} bytes, more than ${MAX_SIZE}; characters other than visible ASCII take three bytes for each byte of UTF-8`,
    );
  }
  return parts.join('\0');
}

function refused(what: string): OptionError {
  return refuseOption('metadata', what);
}

import { isIP, isIPv4, isIPv6 } from 'node:net';
import { METADATA, type MetadataInput } from './metadata.js';
import { option, type OptionType } from './table.js';
import { type AbortSignalLike, isAbortSignal } from '../platform/realms.js';

/** The longest delay of Node's timers, in milliseconds. */
export const MAX_TIMEOUT = 2 ** 31 - 1;

export const boolean: OptionType<boolean> = {
  takes: 'true or false',
  accepts: (value): value is boolean => typeof value === 'boolean',
};

export function integer(min: number, max: number, unit?: string): OptionType<number> {
  return {
    takes: `an integer from ${min} to ${max}${unit === undefined ? '' : ` (${unit})`}`,
    accepts: (value): value is number => isIntegerWithin(value, min, max),
  };
}

export function integerOrInfinity(min: number, max: number, unit?: string): OptionType<number> {
  return {
    takes: `${integer(min, max, unit).takes} or Infinity`,
    accepts: (value): value is number => value === Infinity || isIntegerWithin(value, min, max),
  };
}

function isIntegerWithin(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}

export const timeout = integerOrInfinity(1, MAX_TIMEOUT, 'milliseconds');

export const bytesInFlight = integerOrInfinity(1, 2 ** 41, 'bytes');

export const spinning = {
  /**
   * How long threads may spin before they sleep, in microseconds.
   *
   * Waking a thread takes longer than a small call. The largest value among a thread's servers and clients
   * applies.
   */
  spin: option(integer(0, 1000, 'microseconds'), 200),
};

export function optional<T>({ takes, accepts }: OptionType<T>): OptionType<T | undefined> {
  return { takes, accepts: (value): value is T | undefined => accepts(value) };
}

export const dnsServers: OptionType<readonly string[]> = {
  takes: "a list of addresses of DNS servers, such as ['10.0.0.53', '[::1]:5353']",
  accepts: (value): value is readonly string[] =>
    Array.isArray(value) && value.length > 0 && Array.from<unknown>(value).every(isDnsServer),
};

const DNS_SERVER = /^(?:\[([^\]]*)\]|([^:]*))(?::([1-9]\d{0,4}))?$/;

/** `setServers` of `node:dns` aborts the process for port 0. */
function isDnsServer(value: unknown): boolean {
  if (typeof value !== 'string') return false;
  if (isIP(value) !== 0) return true;
  const [, six, four = '', port = '53'] = DNS_SERVER.exec(value) ?? [];
  return (six === undefined ? isIPv4(four) : isIPv6(six)) && Number(port) <= 65_535;
}

export function oneOf<const Choice extends string>(...choices: Choice[]): OptionType<Choice> {
  return {
    takes: choices.map((choice) => `'${choice}'`).join(' or '),
    accepts: (value): value is Choice => (choices as unknown[]).includes(value),
  };
}

export function objectWith<T extends object>(
  parts: Record<keyof T & string, (value: unknown) => boolean>,
): OptionType<T | undefined> {
  return {
    takes: `an object with some of ${Object.keys(parts).join(', ')}, each as Node's Worker takes it`,
    accepts: (value): value is T =>
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      Object.entries(value).every(
        ([key, part]) =>
          Object.hasOwn(parts, key) && (part === undefined || parts[key as keyof T & string](part)),
      ),
  };
}

export const hostName: OptionType<string> = {
  takes: 'an address or a host name (IPv6 without brackets)',
  accepts: (value): value is string =>
    typeof value === 'string' && value.length <= 255 && /^[^\s\p{Cc}/[\]]+$/u.test(value),
};

const AUDIENCE = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

function isAudience(value: unknown): value is string {
  return typeof value === 'string' && AUDIENCE.test(value);
}

/** Sent in a header without escapes. */
export const audience: OptionType<string | undefined> = {
  takes: 'a name of 1 to 255 printable ASCII characters',
  accepts: isAudience,
};

export const audiences: OptionType<string | readonly string[] | undefined> = {
  takes: `${audience.takes}, or a list of at least one`,
  accepts: (value): value is string | readonly string[] =>
    Array.isArray(value) ? value.length > 0 && value.every(isAudience) : isAudience(value),
};

export const healthPath: OptionType<string> = {
  takes:
    "a path such as '/healthz': '/' and 1 to 255 visible ASCII characters without '?' and '#', " +
    "outside of '/backwater/'",
  accepts: (value): value is string =>
    typeof value === 'string' &&
    /^\/[!-~]{1,255}$/.test(value) &&
    !/[?#]/.test(value) &&
    !value.startsWith('/backwater/'),
};

export const metadata: OptionType<MetadataInput | undefined> = {
  takes: METADATA,
  accepts: (value): value is MetadataInput => typeof value === 'object' && value !== null,
};

export const abortSignal: OptionType<AbortSignalLike | undefined> = {
  takes: 'an AbortSignal',
  accepts: isAbortSignal,
};

export function listOf<T>(
  takes: string,
  accepts: (item: Record<string, unknown>) => boolean,
): OptionType<readonly T[] | undefined> {
  return {
    takes,
    accepts: (value): value is readonly T[] =>
      Array.isArray(value) &&
      Array.from<unknown>(value).every(
        (item) =>
          typeof item === 'object' && item !== null && accepts(item as Record<string, unknown>),
      ),
  };
}

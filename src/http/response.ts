import { types } from 'node:util';
import { OptionError } from '../errors/errors.js';

/** A response as received, with its content encoding still in place. */
export interface HttpResponse {
  /** The status code. */
  readonly status: number;
  /** `Headers`, pairs, or an object of strings or lists of strings. */
  readonly headers:
    | Iterable<readonly [string, string]>
    | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The whole body. */
  readonly body: Uint8Array | ArrayBuffer;
}

export interface ParsedResponse {
  readonly status: number;
  readonly headers: [name: string, value: string][];
  readonly body: Uint8Array;
}

export function parseResponse(response: HttpResponse): ParsedResponse {
  if (typeof response !== 'object' || response === null) {
    throw refuse('', `an object with status, headers and body, not ${String(response)}`);
  }
  const { status, headers, body } = response;
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw refuse('.status', `an integer from 100 to 999, not ${display(status)}`);
  }
  return { status, headers: parseHeaders(headers), body: parseBody(body) };
}

function parseHeaders(headers: HttpResponse['headers']): [string, string][] {
  if (typeof headers !== 'object' || headers === null) {
    throw refuse('.headers', `Headers, pairs or an object of strings, not ${display(headers)}`);
  }
  return Symbol.iterator in headers
    ? Array.from(headers as Iterable<readonly [string, string]>, parsePair)
    : Object.entries(headers).flatMap(([name, value]) => {
        if (value === undefined) return [];
        const values = Array.isArray(value) ? (value as readonly string[]) : [value];
        return values.map((one) => parsePair([name, one as string]));
      });
}

function parsePair(pair: readonly [string, string]): [string, string] {
  const [name, value]: readonly unknown[] = Array.isArray(pair) ? pair : [];
  if (typeof name !== 'string') {
    throw refuse('.headers', `pairs of a name and a value, not ${display(pair)}`);
  }
  if (typeof value !== 'string') {
    throw refuse('.headers', `strings as values, but ${display(name)} is ${display(value)}`);
  }
  return [name, value];
}

function parseBody(body: HttpResponse['body']): Uint8Array {
  if (types.isUint8Array(body)) return body;
  if (types.isArrayBuffer(body)) return new Uint8Array(body);
  throw refuse('.body', `the bytes as a Uint8Array or an ArrayBuffer, not ${display(body)}`);
}

function refuse(part: string, expected: string): OptionError {
  const option = `response${part}`;
  return new OptionError(`'${option}' takes ${expected}`, { option });
}

function display(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

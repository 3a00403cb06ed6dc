import { inspect, types } from 'node:util';
import { TermError } from '../errors/errors.js';
import { truncate } from '../platform/inspect.js';
import { fromErlang, toElixir, toErlang } from '../codec/notation.js';
import { isPlainObject } from '../platform/realms.js';
import { Atom, Float, type Term } from '../terms/index.js';
import { inspectCall, type Inspector, inspectSymbol } from '../terms/inspect.js';
import { choiceOf, type Flags, type FlagTable } from './command.js';
import { readText } from './input.js';
import { parseJson } from './json.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage-error.js';

export const outputFlags: FlagTable = {
  output: { value: 'FORMAT', short: 'o', help: 'json, js, erlang or elixir (default json)' },
};

export const inputFlags: FlagTable = {
  erlang: { help: 'read Erlang syntax instead of JSON' },
  'atom-keys': { help: 'send the keys of JSON objects as atoms instead of binaries' },
};

export type Format = 'json' | 'js' | 'erlang' | 'elixir';

export const formatOf = (flags: Flags): Format =>
  choiceOf(flags, 'output', ['json', 'js', 'erlang', 'elixir']);

export const termsFor = (format: Format): 'js' | 'exact' =>
  format === 'erlang' || format === 'elixir' ? 'exact' : 'js';

export function printed(term: Term, format: Format, terminal: Terminal, isLine = false): string {
  switch (format) {
    case 'erlang':
      return toErlang(term);
    case 'elixir':
      return toElixir(term);
    case 'js':
      makePasteable(term);
      return inspect(term, {
        depth: null,
        colors: terminal.hasColours,
        maxArrayLength: null,
        maxStringLength: null,
        ...(isLine ? { breakLength: Infinity, compact: true } : {}),
      });
    case 'json':
      try {
        return jsonOf(term, terminal.isInteractive && !isLine ? 2 : 0);
      } catch (cause) {
        if (!(cause instanceof RangeError)) throw cause;
        throw new UsageError('the value is too large for JSON: use --output erlang', { cause });
      }
  }
}

/** Makes `util.inspect` print maps and bytes as JavaScript. Changes the term. */
function makePasteable(term: unknown): void {
  if (typeof term !== 'object' || term === null) return;
  if (types.isUint8Array(term)) {
    const base64 = Buffer.from(term).toString('base64');
    defineInspector(term, (_, { stylize }) =>
      stylize(`Buffer.from('${base64}', 'base64')`, 'special'),
    );
    return;
  }
  if (types.isMap(term)) {
    const entries = [...term];
    entries.forEach(makePasteable);
    defineInspector(term, (depth, options, print) =>
      inspectCall(term, 'new Map', [entries], depth, options, print),
    );
    return;
  }
  Object.values(term).forEach(makePasteable);
}

function defineInspector(value: object, inspector: Inspector): void {
  // Some maps are frozen.
  Reflect.defineProperty(value, inspectSymbol, { value: inspector });
}

export function readValue(text: string, flags: Flags, what: string): unknown {
  if (flags.has('erlang')) {
    try {
      return fromErlang(text, { terms: 'exact' });
    } catch (cause) {
      if (!(cause instanceof TermError)) throw cause;
      throw new UsageError(`${what} is not an Erlang term: ${cause.message}`, { cause });
    }
  }
  try {
    return parseJson(text);
  } catch (cause) {
    throw new UsageError(`${what} is not JSON: ${jsonFault(text, (cause as Error).message)}`, {
      cause,
    });
  }
}

function jsonFault(text: string, reason: string): string {
  const trimmed = text.trim();
  if (trimmed === '') return 'it is empty';
  if (/^["[{]/.test(trimmed)) return truncate(reason.replaceAll('\n', ' '), 200);
  const string = trimmed.replace(/^'(.*)'$/s, '$1');
  return `${truncate(trimmed, 100)} (write a string as '${truncate(JSON.stringify(string), 100)}')`;
}

export function readArguments(texts: readonly string[], flags: Flags): unknown[] {
  if (texts.includes('-') && flags.list('secret-file').includes('-')) {
    throw new UsageError(
      'stdin can be read only once: read the secret or the argument from a file',
    );
  }
  const values = texts.map((text, index) => {
    const what = `argument ${index + 1}`;
    return readValue(text === '-' ? readText('-', what) : text, flags, what);
  });
  const [first] = values;
  const isList = values.length === 1 && Array.isArray(first) && !isTupleLike(first);
  return isList ? (first as unknown[]) : values;
}

function isTupleLike(value: readonly unknown[]): boolean {
  return Object.getOwnPropertySymbols(value).length > 0;
}

export function jsonOf(term: unknown, indent = 0): string {
  const digits: string[] = [];
  // JSON.stringify cannot write bigints, so their digits replace marks.
  const mark = `\uffff${process.pid}:`;
  const text = JSON.stringify(
    term,
    function (this: Record<string, unknown>, key, value: unknown): unknown {
      // `value` is the result of toJSON.
      const original = this[key];
      if (typeof original === 'bigint') return `${mark}${digits.push(String(original)) - 1}`;
      if (original === undefined) return null;
      if (types.isUint8Array(original)) {
        return { base64: Buffer.from(original).toString('base64') };
      }
      if (types.isMap(original)) return [...original];
      if (typeof original !== 'object' || original === null) return value;
      if (Array.isArray(original) || original instanceof Atom || original instanceof Float) {
        return value;
      }
      return isPlainObject(original) ? value : toErlang(original);
    },
    indent,
  );
  if (digits.length === 0) return text;
  return text.replace(
    new RegExp(`"${mark}(\\d+)"`, 'g'),
    (_, index: string) => digits[Number(index)]!,
  );
}

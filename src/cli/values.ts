import { inspect, types } from 'node:util';
import { TermError } from '../errors/errors.js';
import { truncate } from '../platform/inspect.js';
import { fromErlang, toElixir, toErlang } from '../codec/notation.js';
import { isPlainObject } from '../platform/realms.js';
import { Atom, Float, type Term } from '../terms/index.js';
import { choiceOf, type Flags, type FlagTable } from './command.js';
import { readText } from './input.js';
import { parseJson } from './json.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage-error.js';

/** The flags that say what values look like. */
export const outputFlags: FlagTable = {
  output: { value: 'FORMAT', short: 'o', help: 'json, js, erlang or elixir (json)' },
};

export const inputFlags: FlagTable = {
  erlang: { help: "values are written in Erlang's syntax, not in JSON" },
  'atom-keys': { help: 'the keys of JSON objects are atoms, not binaries' },
};

export type Format = 'json' | 'js' | 'erlang' | 'elixir';

export const formatOf = (flags: Flags): Format =>
  choiceOf(flags, 'output', ['json', 'js', 'erlang', 'elixir']);

/** How terms have to be decoded to be printed in a format. */
export const termsFor = (format: Format): 'js' | 'exact' =>
  format === 'erlang' || format === 'elixir' ? 'exact' : 'js';

/** A term in a format. */
export function printed(term: Term, format: Format, terminal: Terminal): string {
  switch (format) {
    case 'erlang':
      return toErlang(term);
    case 'elixir':
      return toElixir(term);
    case 'js':
      return inspect(term, {
        depth: null,
        colors: terminal.hasColours,
        maxArrayLength: null,
        maxStringLength: null,
      });
    case 'json':
      try {
        return jsonOf(term, terminal.isInteractive ? 2 : 0);
      } catch (cause) {
        if (!(cause instanceof RangeError)) throw cause;
        throw new UsageError('the value is too large for JSON: use --output erlang', { cause });
      }
  }
}

/** A value on the command line. */
export function readValue(text: string, flags: Flags, what: string): unknown {
  if (flags.has('erlang')) {
    try {
      return fromErlang(text, { terms: 'exact' });
    } catch (cause) {
      if (!(cause instanceof TermError)) throw cause;
      throw new UsageError(`${what} is no term, ${cause.message}`, { cause });
    }
  }
  try {
    return parseJson(text);
  } catch (cause) {
    throw new UsageError(`${what} is no JSON: ${jsonFault(text, (cause as Error).message)}`, {
      cause,
    });
  }
}

/** Why a text is no JSON: a word without quotes, most often. */
function jsonFault(text: string, reason: string): string {
  const trimmed = text.trim();
  if (trimmed === '') return 'it is empty';
  if (/^["[{]/.test(trimmed)) return truncate(reason.replaceAll('\n', ' '), 200);
  const string = trimmed.replace(/^'(.*)'$/s, '$1');
  return `${truncate(trimmed, 100)} (a string is written '${truncate(JSON.stringify(string), 100)}')`;
}

/**
 * The arguments of a call: one that is an array has all of them in it; `-` stands for stdin.
 */
export function readArguments(texts: readonly string[], flags: Flags): unknown[] {
  if (texts.includes('-') && flags.list('secret-file').includes('-')) {
    throw new UsageError('stdin can be read once: it cannot be an argument and the secret');
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

/**
 * JSON for a term: atoms are strings, tuples arrays, big integers numbers of all their digits, bytes that
 * are no text `{"base64": …}`, maps with keys that are no names arrays of pairs, identifiers and functions
 * text as Erlang prints them.
 */
export function jsonOf(term: unknown, indent = 0): string {
  const digits: string[] = [];
  // JSON.stringify has no way to write digits: they are put in afterwards, for marks that no text has.
  const mark = `\uffff${process.pid}:`;
  const text = JSON.stringify(
    term,
    function (this: Record<string, unknown>, key, value: unknown): unknown {
      // Not the value, of which toJSON has been asked already.
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

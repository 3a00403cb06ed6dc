import { Buffer } from 'node:buffer';
import { dirname, parse } from 'node:path';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { defineHidden } from '../platform/brands.js';
import { attempt, truncate } from '../platform/inspect.js';
import {
  Atom,
  atom,
  charlist,
  charlistToString,
  isTuple,
  type Term,
  tuple,
} from '../terms/index.js';
import { foreignAtom } from '../terms/atom.js';
import { type Inspector, inspectSymbol } from '../terms/inspect.js';

export interface CalledFunction {
  readonly module: string;
  readonly function: string;
  readonly arity: number;
}

const MAX_FRAMES = 64;
/** UTF-16 units. */
const MAX_TEXT = 64 * 1024;
const MAX_LINE = 1024;
/** An atom's limit. */
const MAX_NAME = 255;
const MAX_FILE = 1024;
const FILE = atom('file');
const LINE = atom('line');

interface Frame {
  /** As V8 writes it, such as `Object.withdraw`. */
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/**
 * Erlang's form of a stack: `{Module, Function, Arity, [{file, "x.js"}, {line, 12}]}`, innermost frame first.
 *
 * V8 knows no modules or arities. The called function gets the names of the call, others their file's name
 * and arity 0.
 */
export function stackToTerms(stack: unknown, message: unknown, called: CalledFunction): Term[] {
  const frames = typeof stack === 'string' ? parseStack(stack, message) : [];
  const own = findCalled(frames, called.function);
  const terms = frames
    .filter((frame) => !isOurs(frame))
    .slice(0, MAX_FRAMES)
    .map((frame) => (frame === own ? calledTerm(called, frame) : frameTerm(frame)));
  return terms.length === 0 ? [calledTerm(called)] : terms;
}

/** Lines like V8's: `    at remote bank:withdraw/1 (bank.js:12)`. */
export function printStacktrace(stacktrace: Term): string[] {
  if (!Array.isArray(stacktrace)) return [];
  return stacktrace.slice(0, MAX_FRAMES).flatMap((frame: unknown) => {
    const line = attempt(() => printFrame(frame));
    return line === undefined ? [] : [`    at remote ${line}`];
  });
}

/** Lets `util.inspect` show frames like `bank:withdraw/1 (bank.js:12)`. */
export function makeReadable(stacktrace: Term): void {
  if (!Array.isArray(stacktrace) || Object.isFrozen(stacktrace)) return;
  const printed: Inspector = (_depth, options, print) => {
    const shown = stacktrace.slice(0, MAX_FRAMES).map((frame: unknown) => {
      const line = attempt(() => printFrame(frame));
      return `  ${line ?? print(frame, options).replaceAll('\n', '\n  ')}`;
    });
    if (shown.length === 0) return '[]';
    const more = stacktrace.length - shown.length;
    if (more > 0) shown.push(`  ... ${more} more`);
    return `[\n${shown.join(',\n')}\n]`;
  };
  defineHidden(stacktrace, inspectSymbol, printed);
}

function parseStack(stack: string, message: unknown): Frame[] {
  const head = typeof message === 'string' ? stack.indexOf(message) : -1;
  const start = head < 0 ? 0 : head + (message as string).length;
  const lines = stack.slice(start, start + MAX_TEXT).split('\n');
  return lines.flatMap((line) => (line.length > MAX_LINE ? [] : (parseFrame(line) ?? [])));
}

/** See v8.dev/docs/stack-trace-api, "Appendix: Stack trace format". */
function parseFrame(line: string): Frame | undefined {
  const text = /^\s+at (.+)$/.exec(line)?.[1];
  if (text === undefined) return undefined;
  const bracket = text.endsWith(')') ? text.indexOf(' (') : -1;
  const place = bracket < 0 ? text.replace(/^async /, '') : text.slice(bracket + 2, -1);
  const [, file, number] = /^(.+):(\d{1,9}):\d{1,9}$/.exec(place) ?? [];
  if (file === undefined || isNode(file)) return undefined;
  const name =
    bracket < 0
      ? ''
      : text
          .slice(0, bracket)
          .replace(/^async /, '')
          .replace(/ \[as .*\]$/, '');
  return { name, file: pathOf(file), line: Number(number) };
}

function isNode(file: string): boolean {
  return file.startsWith('node:') || file.includes('<anonymous>');
}

function pathOf(file: string): string {
  if (!file.startsWith('file:')) return file;
  return attempt(() => fileURLToPath(file)) ?? file;
}

/** As loaded and by source maps. Empty if bundled, because the program is in the same file. */
let ourFolders: readonly string[] | undefined;

function isOurs({ file }: Frame): boolean {
  ourFolders ??= findOurFolders();
  return ourFolders.some((folder) => file.startsWith(folder));
}

function findOurFolders(): string[] {
  const loaded = __filename;
  const mapped = attempt(() => parseStack(String(new Error('here').stack), 'here')[0]?.file);
  return [loaded, mapped ?? loaded]
    .filter((file) => /[\\/]exceptions[\\/]stacktrace\.[jt]s$/.test(file))
    .map((file) => file.slice(0, dirname(dirname(file)).length + 1));
}

/**
 * The outermost frame that is not ours. If the stack does not reach down to our call, such as after an await,
 * the name must match.
 */
function findCalled(frames: readonly Frame[], name: string): Frame | undefined {
  const outermost = frames.at(-1);
  const complete = outermost !== undefined && isOurs(outermost);
  return frames.findLast((frame) => !isOurs(frame) && (complete || lastPart(frame.name) === name));
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function calledTerm({ module, function: name, arity }: CalledFunction, frame?: Frame): Term {
  const place = frame === undefined ? [] : placeOf(frame);
  return tuple(foreignAtom(module), foreignAtom(name), arity, place);
}

function frameTerm(frame: Frame): Term {
  const module = parse(frame.file).name;
  // V8's prefixes for functions of object literals and exports.
  const name = frame.name.replace(/^(?:Object|Module)\./, '');
  return tuple(nameAtom(module), nameAtom(name === '' ? '<anonymous>' : name), 0, placeOf(frame));
}

function placeOf({ file, line }: Frame): Term {
  return [tuple(FILE, charlist(truncate(file, MAX_FILE))), tuple(LINE, line)];
}

/** Held weakly, because names of functions may be made of data. */
function nameAtom(name: string): Atom {
  return foreignAtom(truncate(name, MAX_NAME));
}

/** Throws for frames in other forms. */
function printFrame(frame: unknown): string | undefined {
  if (!isTuple(frame)) return undefined;
  const [module, name, arity, place] = frame as readonly unknown[];
  if (!(module instanceof Atom) || !(name instanceof Atom)) return undefined;
  // Erlang may put the arguments here (OTP, erlang:raise/3).
  const count: unknown = Array.isArray(arity) ? arity.length : arity;
  if (typeof count !== 'number') return undefined;
  return oneLine(`${module.name}:${name.name}/${count}${printPlace(place)}`);
}

function printPlace(place: unknown): string {
  if (!Array.isArray(place)) return '';
  const of = (key: Atom): unknown =>
    (place.find((entry) => isTuple(entry, key, 2)) as readonly unknown[] | undefined)?.[1];
  const file = textOf(of(FILE));
  const line = of(LINE);
  if (file === undefined) return '';
  return typeof line === 'number' ? ` (${file}:${line})` : ` (${file})`;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return truncate(value, MAX_FILE);
  if (types.isUint8Array(value)) return Buffer.from(value.subarray(0, MAX_FILE)).toString();
  return Array.isArray(value) ? charlistToString(value.slice(0, MAX_FILE)) : undefined;
}

function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, ' ');
}

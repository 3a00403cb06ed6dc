import { TermError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { type Atom, toTerm } from '../terms/index.js';
import { inspectSymbol, type PrinterOptions } from '../terms/inspect.js';
import { type Fields, struct } from './struct.js';

const NUMBER = '(?:0|[1-9]\\d{0,14})';
const IDENTIFIERS = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*';
const VERSION = new RegExp(
  `^(${NUMBER})\\.(${NUMBER})\\.(${NUMBER})(?:-(${IDENTIFIERS}))?(?:\\+(${IDENTIFIERS}))?$`,
);
/** Longer versions stay structs. */
const MAX_LENGTH = 256;

/** A version of Semantic Versioning 2.0.0, like Elixir's `Version`. */
export class Version {
  /** The first number. */
  readonly major: number;
  /** The second number. */
  readonly minor: number;
  /** The third number. */
  readonly patch: number;
  /** After the hyphen: `['rc', 1]`. */
  readonly pre: readonly (string | number)[];
  /** After the plus sign. */
  readonly build: string | null;

  /** @throws `TermError` if the text is not a version */
  constructor(text: string) {
    const parts = typeof text === 'string' && text.length <= MAX_LENGTH ? VERSION.exec(text) : null;
    if (parts === null) {
      throw new TermError(
        `a version must be text such as '1.2.3-rc.1', not ${inspectBriefly(text, 100)}`,
      );
    }
    const [, major, minor, patch, pre, build] = parts;
    this.major = Number(major);
    this.minor = Number(minor);
    this.patch = Number(patch);
    this.pre = Object.freeze((pre?.split('.') ?? []).map(identifier));
    this.build = build ?? null;
    Object.freeze(this);
  }

  /** @internal Undefined if a field is invalid. */
  static ofFields({ major, minor, patch, pre, build }: Fields): Version | undefined {
    if (!Array.isArray(pre) || pre.length > MAX_LENGTH) return undefined;
    if (![major, minor, patch].every(Number.isSafeInteger)) return undefined;
    if (!pre.every((part) => typeof part === 'string' || Number.isSafeInteger(part)))
      return undefined;
    if (build !== null && typeof build !== 'string') return undefined;
    const text =
      [major, minor, patch].join('.') +
      (pre.length === 0 ? '' : `-${pre.join('.')}`) +
      (build === null ? '' : `+${build}`);
    if (text.length > MAX_LENGTH || !VERSION.test(text)) return undefined;
    const version = new Version(text);
    return pre.every((part, index) => part === version.pre[index]) ? version : undefined;
  }

  /** As in Elixir: `1.2.3-rc.1+build`. */
  toString(): string {
    const { major, minor, patch, pre, build } = this;
    const suffix =
      (pre.length === 0 ? '' : `-${pre.join('.')}`) + (build === null ? '' : `+${build}`);
    return `${major}.${minor}.${patch}${suffix}`;
  }

  toJSON(): string {
    return this.toString();
  }

  [toTerm](): Map<Atom, unknown> {
    const { major, minor, patch, pre, build } = this;
    return struct('Version', { major, minor, patch, pre, build });
  }

  [inspectSymbol](_depth: number | null, options: PrinterOptions): string {
    return options.stylize(`Version(${this.toString()})`, 'string');
  }
}

/** Identifiers of digits are numbers. */
function identifier(text: string): string | number {
  return /^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

import { TermError } from '../errors.js';
import { inspectBriefly } from '../inspect.js';

/** What the text of a term consists of. */
export type Token =
  | { readonly kind: 'integer'; readonly value: number | bigint; readonly start: number }
  | { readonly kind: 'float'; readonly value: number; readonly start: number }
  | { readonly kind: 'string'; readonly value: string; readonly start: number }
  | {
      readonly kind: 'atom';
      readonly value: string;
      readonly quoted: boolean;
      readonly start: number;
    }
  | { readonly kind: 'mark'; readonly value: string; readonly start: number }
  | { readonly kind: 'end'; readonly value: ''; readonly start: number };

/** The longest that comes first. */
const MARKS = ['<<', '>>', '=>', ':=', ...'{}[](),|/:-+.;'];

const UNQUOTED_ATOM = /[a-zß-öø-ÿ][\wß-öø-ÿÀ-ÖØ-Þ@]*/y;
const VARIABLE = /[A-Z_À-ÖØ-Þ][\wß-öø-ÿÀ-ÖØ-Þ@]*/y;
const OPAQUE = /<\d+\.\d+\.\d+>|#(?:Ref|Port|Fun)</y;

/** Of a decimal literal: those of OTP 27, whose integers have at most 4,194,303 bits. */
const MAX_DIGITS = 1_262_611;

/** Cuts text in Erlang's syntax into tokens, each character looked at once. */
export class Scanner {
  readonly #text: string;
  #at = 0;
  #next: Token | undefined;

  constructor(text: string) {
    this.#text = text;
    const lone = text.isWellFormed() ? -1 : text.search(/\p{Surrogate}/u);
    if (lone >= 0) throw this.error('a lone surrogate is no character', lone);
  }

  /** The next token, which stays the next one. */
  peek(): Token {
    return (this.#next ??= this.#scan());
  }

  take(): Token {
    const token = this.peek();
    this.#next = undefined;
    return token;
  }

  /** Takes the next token if it is that mark. */
  skip(mark: string): boolean {
    const token = this.peek();
    if (token.kind !== 'mark' || token.value !== mark) return false;
    this.#next = undefined;
    return true;
  }

  /** The error for a token that is not what had to come. */
  unexpected(token: Token, expected: string): TermError {
    const found = token.kind === 'end' ? 'the text ends' : `found ${this.#excerpt(token.start)}`;
    return this.error(`expected ${expected}, but ${found}`, token.start);
  }

  error(message: string, start: number): TermError {
    const { line, column } = this.place(start);
    return new TermError(`line ${line}, column ${column}: ${message}`, { line, column });
  }

  /** Whether an integer is written as a character, which Erlang does not take everywhere. */
  isCharacter(token: Token): boolean {
    return this.#text[token.start] === '$';
  }

  /** Where that character is, both from 1, in characters. */
  place(start: number): { line: number; column: number } {
    const before = this.#text.slice(0, start);
    const lines = before.split(/\r\n|\n|\r/);
    return { line: lines.length, column: Array.from(lines.at(-1)!).length + 1 };
  }

  #excerpt(start: number): string {
    const rest = this.#text.slice(start, start + 40);
    return inspectBriefly(/^[\p{L}\p{N}_@]+|^<<|^>>|^=>|^:=|^#\{|^./su.exec(rest)![0], 40);
  }

  #scan(): Token {
    this.#skipBlanks();
    const start = this.#at;
    if (start === this.#text.length) return { kind: 'end', value: '', start };
    const character = this.#text[start]!;
    if (isDigit(character)) return this.#number(start);
    if (character === '"') return this.#string(start);
    if (character === "'") {
      return { kind: 'atom', value: this.#quoted("'", 'atom'), quoted: true, start };
    }
    if (character === '$') return this.#character(start);
    if (character === '#') return this.#hash(start);
    const opaque = this.#match(OPAQUE);
    if (opaque !== undefined) throw this.#opaqueError(opaque, start);
    const name = this.#match(UNQUOTED_ATOM);
    if (name !== undefined) return { kind: 'atom', value: name, quoted: false, start };
    const variable = this.#match(VARIABLE);
    if (variable !== undefined) {
      throw this.error(`${inspectBriefly(variable, 40)} is a variable, which is no term`, start);
    }
    const mark = MARKS.find((one) => this.#text.startsWith(one, start));
    if (mark === undefined) {
      throw this.error(`expected a term, but found ${this.#excerpt(start)}`, start);
    }
    this.#at += mark.length;
    return { kind: 'mark', value: mark, start };
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #skipBlanks(): void {
    for (;;) {
      this.#match(/\s*/y);
      if (this.#text[this.#at] !== '%') return;
      this.#match(/[^\n]*/y);
    }
  }

  #hash(start: number): Token {
    const opaque = this.#match(OPAQUE);
    if (opaque !== undefined) throw this.#opaqueError(opaque, start);
    if (this.#match(/#\s*\{/y) === undefined) {
      throw this.error(`expected a term, but found ${this.#excerpt(start)}`, start);
    }
    return { kind: 'mark', value: '#{', start };
  }

  #opaqueError(text: string, start: number): TermError {
    const kinds: Record<string, string> = { R: 'reference', P: 'port', F: 'closure' };
    const kind = text.startsWith('#') ? kinds[text[1]!]! : 'pid';
    return this.error(
      `a ${kind} cannot be made from how it is printed, which leaves out parts of it`,
      start,
    );
  }

  #number(start: number): Token {
    const digits = this.#digits(/\d[\d_]*/y, start);
    if (this.#text[this.#at] === '#') return this.#based(digits, start);
    if (this.#text[this.#at] === '.' && isDigit(this.#text[this.#at + 1])) {
      this.#at++;
      const fraction = this.#digits(/\d[\d_]*/y, start);
      const exponent = this.#match(/[eE][+-]?(?=\d)/y);
      const power =
        exponent === undefined ? '' : `e${exponent.slice(1)}${this.#digits(/\d[\d_]*/y, start)}`;
      const value = Number(`${digits}.${fraction}${power}`);
      if (!Number.isFinite(value)) throw this.error('a float is beyond what doubles hold', start);
      return { kind: 'float', value, start };
    }
    return { kind: 'integer', value: narrow(BigInt(digits)), start };
  }

  /** Digits without the underscores between them. */
  #digits(pattern: RegExp, start: number): string {
    const text = this.#match(pattern) ?? '';
    if (text.endsWith('_') || text.includes('__')) {
      throw this.error('an underscore stands between two digits', start);
    }
    const digits = text.replaceAll('_', '');
    if (digits.length > MAX_DIGITS) {
      throw this.error(`a number has at most ${MAX_DIGITS} digits`, start);
    }
    return digits;
  }

  #based(base: string, start: number): Token {
    const radix = Number(base);
    if (radix < 2 || radix > 36) throw this.error('the base of a number is 2 to 36', start);
    this.#at++;
    const digits = this.#digits(/[0-9a-zA-Z][0-9a-zA-Z_]*/y, start);
    const wrong = Array.from(digits).find((digit) => !(parseInt(digit, 36) < radix));
    if (digits === '' || wrong !== undefined) {
      const found = wrong === undefined ? 'none' : `'${wrong}'`;
      throw this.error(`expected digits of base ${radix}, but found ${found}`, start);
    }
    return { kind: 'integer', value: narrow(integerOf(digits, radix)), start };
  }

  #character(start: number): Token {
    this.#at++;
    if (this.#text[this.#at] === '\\') return { kind: 'integer', value: this.#escape(), start };
    const value = this.#text.codePointAt(this.#at);
    if (value === undefined) throw this.error('expected a character, but the text ends', start);
    this.#at += value > 0xffff ? 2 : 1;
    return { kind: 'integer', value, start };
  }

  /** A string with those that follow it. */
  #string(start: number): Token {
    const parts = [this.#quoted('"', 'string')];
    for (this.#skipBlanks(); this.#text[this.#at] === '"'; this.#skipBlanks()) {
      parts.push(this.#quoted('"', 'string'));
    }
    return { kind: 'string', value: parts.join(''), start };
  }

  #quoted(quote: string, what: string): string {
    const start = this.#at++;
    if (quote === '"' && /^""[^\S\n]*\n/.test(this.#text.slice(this.#at, this.#at + 100))) {
      throw this.error('strings in triple quotes are not read', start);
    }
    const stops = quote === '"' ? /["\\]/g : /['\\]/g;
    const parts: string[] = [];
    for (;;) {
      stops.lastIndex = this.#at;
      const stop = stops.exec(this.#text)?.index;
      if (stop === undefined) {
        throw this.error(`expected ${quote} at the end of the ${what}, but the text ends`, start);
      }
      parts.push(this.#text.slice(this.#at, stop));
      this.#at = stop;
      if (this.#text[stop] === quote) {
        this.#at++;
        return parts.join('');
      }
      parts.push(String.fromCodePoint(this.#escape()));
    }
  }

  /** OTP reference manual, "Data Types", Escape Sequences. */
  #escape(): number {
    const start = this.#at++;
    const character = this.#text[this.#at];
    if (character === undefined) {
      throw this.error('expected a character after the backslash, but the text ends', start);
    }
    if (character === 'x') {
      this.#at++;
      const hex = this.#match(/\{[0-9a-fA-F]{1,6}\}|[0-9a-fA-F]{2}/y);
      const code = hex === undefined ? NaN : parseInt(hex.replace('{', ''), 16);
      if (!(code <= 0x10ffff) || (code >= 0xd800 && code <= 0xdfff)) {
        throw this.error('expected two hexadecimal digits, or a character in braces', start);
      }
      return code;
    }
    const octal = this.#match(/[0-7]{1,3}/y);
    if (octal !== undefined) return parseInt(octal, 8);
    if (character === '^') {
      const control = this.#text[this.#at + 1] ?? '';
      if (!/^[@-_a-z?]$/.test(control)) {
        throw this.error("expected a letter after '\\^'", start);
      }
      this.#at += 2;
      return control === '?' ? 127 : control.charCodeAt(0) & 31;
    }
    const code = this.#text.codePointAt(this.#at)!;
    this.#at += code > 0xffff ? 2 : 1;
    return LETTERS[character] ?? code;
  }
}

const LETTERS: Readonly<Record<string, number>> = {
  b: 8,
  d: 127,
  e: 27,
  f: 12,
  n: 10,
  r: 13,
  s: 32,
  t: 9,
  v: 11,
};

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9';
}

/** A number where that is safe, as `decode` has it. */
function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Halves first: digit by digit, the time would grow with the square of their number. */
function integerOf(digits: string, radix: number): bigint {
  if (radix === 16) return BigInt(`0x${digits}`);
  if (radix === 10) return BigInt(digits);
  if (digits.length <= 10) return BigInt(parseInt(digits, radix));
  const low = Math.floor(digits.length / 2);
  const high = digits.length - low;
  return (
    integerOf(digits.slice(0, high), radix) * BigInt(radix) ** BigInt(low) +
    integerOf(digits.slice(high), radix)
  );
}

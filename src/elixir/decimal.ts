import { OptionError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { Atom, atom } from '../terms/index.js';
import { type Fields, integer, struct } from './struct.js';

const DECIMAL =
  /^(?<sign>[+-])?(?:(?<word>nan|inf|infinity)|(?=\.?\d)(?<whole>\d*)(?:\.(?<fraction>\d*))?(?:e(?<exponent>[+-]?0*\d{1,9}))?)$/i;
/** Converting more takes quadratic time. */
const MAX_DIGITS = 10_000;
/** Leaves room for sign, point, zeros and exponent. */
const MAX_TEXT = MAX_DIGITS + 100;
const MAX_COEFFICIENT = 10n ** BigInt(MAX_DIGITS);
const MAX_EXPONENT = 999_999_999;

/**
 * Makes a `Decimal` from text, like `Decimal.new`: `'-1.50'`, `'12E+3'`, `'NaN'` or `'Infinity'`.
 * Accepts 10,000 digits and exponents of nine digits, more than `Decimal.new` since version 3.0.
 *
 * @throws `OptionError` if the text is not a decimal number
 */
export function decimal(text: string | number | bigint): Map<Atom, unknown> {
  const given = String(text);
  if (given.length > MAX_TEXT) throw tooLong();
  const parts = DECIMAL.exec(given)?.groups;
  if (parts === undefined) {
    throw new OptionError(
      `elixir.decimal takes text such as '-1.50', not ${inspectBriefly(given, 100)}`,
      { option: 'decimal' },
    );
  }
  const sign = parts['sign'] === '-' ? -1 : 1;
  const special = { n: atom('NaN'), i: atom('inf') }[parts['word']?.[0]?.toLowerCase() ?? ''];
  if (special !== undefined) return struct('Decimal', { sign, coef: special, exp: 0 });
  const { whole = '', fraction = '' } = parts;
  const exp = Number(parts['exponent'] ?? 0) - fraction.length;
  const coef = BigInt(whole + fraction);
  if (coef >= MAX_COEFFICIENT) throw tooLong();
  return struct('Decimal', { sign, coef, exp });
}

function tooLong(): OptionError {
  return new OptionError(`elixir.decimal takes up to ${MAX_DIGITS} digits`, { option: 'decimal' });
}

/** Undefined if it is too long. */
export function decimalText({ sign, coef, exp }: Fields): string | undefined {
  if (sign !== 1 && sign !== -1) return undefined;
  const minus = sign === 1 ? '' : '-';
  if (coef instanceof Atom) {
    return { NaN: `${minus}NaN`, inf: `${minus}Infinity` }[coef.name];
  }
  const isCoefficient =
    typeof coef === 'bigint'
      ? coef >= 0n && coef < MAX_COEFFICIENT
      : integer(coef, 0, Number.MAX_SAFE_INTEGER) !== undefined;
  const exponent = integer(exp, -MAX_EXPONENT - MAX_DIGITS, MAX_EXPONENT);
  if (!isCoefficient || exponent === undefined) return undefined;
  const digits = String(coef);
  const adjusted = exponent + digits.length - 1;
  if (Math.abs(adjusted) > MAX_EXPONENT) return undefined;
  if (exponent === 0) return minus + digits;
  if (exponent < 0 && adjusted >= -6) {
    const padded = digits.padStart(1 - exponent, '0');
    return `${minus}${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
  }
  const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
  return `${minus}${digits[0]}${fraction}E${adjusted >= 0 ? '+' : ''}${adjusted}`;
}

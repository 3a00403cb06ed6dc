import type { StructReviver } from '../codec/revivers.js';
import { TermError } from '../errors/errors.js';
import { Atom, atom } from '../terms/index.js';

export type Fields = Record<string, unknown>;

/** The only calendar that JavaScript has. */
export const ISO = atom('Elixir.Calendar.ISO');

const STRUCT = atom('__struct__');

/**
 * A struct of a module.
 *
 * @param module such as `'Shop.Order'` or `'Elixir.Shop.Order'`
 * @throws `TermError` if `module` or the name of a field cannot be an atom
 */
export function struct(module: string, fields: object): Map<Atom, unknown> {
  if (typeof module !== 'string') throw new TermError('the module of a struct must be a string');
  const name = /^(?!Elixir\.)[A-Z]/.test(module) ? `Elixir.${module}` : module;
  const map = new Map<Atom, unknown>([[STRUCT, atom(name)]]);
  for (const [field, value] of Object.entries(fields)) {
    if (field !== STRUCT.name) map.set(atom(field), value);
  }
  return map;
}

/** Makes the value that `read` finds in a struct; without one, the struct stays a map. */
export function structReviver(module: string, read: (fields: Fields) => unknown): StructReviver {
  return { struct: module, revive: (fields: Fields) => read(fields) ?? fields };
}

export function integer(value: unknown, least: number, most: number): number | undefined {
  const fits = Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
  return fits ? (value as number) : undefined;
}

import type { InspectOptions, inspect } from 'node:util';

/** The symbol under which `util.inspect` looks for a value's own printer. */
export const inspectSymbol: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never;

/** The arguments that `util.inspect` hands to a custom printer. */
export type Inspector = (depth: number, options: InspectOptions, print: typeof inspect) => string;

/** Prints `name(a, b)`, each argument as `util.inspect` would, within the depth that is left. */
export function inspectCall(
  name: string,
  args: readonly unknown[],
  depth: number,
  options: InspectOptions,
  print: typeof inspect,
): string {
  if (depth < 0) return `[${name}]`;
  const inner = { ...options, depth: options.depth == null ? options.depth : options.depth - 1 };
  return `${name}(${args.map((argument) => print(argument, inner as InspectOptions)).join(', ')})`;
}

import type { MessagePort } from 'node:worker_threads';
import type { DispatcherSettings } from '../dispatcher.js';
import type { ExposedFunction, ModuleCallers } from '../../platform/native.js';
import { BINARIES } from '../../codec/options.js';
import { toJson } from '../../platform/json.js';
import type { Registry } from '../registry.js';

export interface WorkerStart {
  /** The thread's own `parentPort` belongs to the program. */
  readonly port: MessagePort;
  readonly url: string;
  readonly settings: DispatcherSettings;
}

export type ToWorker =
  | { readonly kind: 'serve'; readonly server: number; readonly slot: number }
  | { readonly kind: 'exit' };

export type FromWorker =
  | { readonly kind: 'ready'; readonly table: FunctionTable }
  | { readonly kind: 'serving' }
  | { readonly kind: 'failed'; readonly error: unknown; readonly option?: string | undefined };

export interface FunctionTable {
  readonly modules: string[];
  readonly moduleCallers: ModuleCallers[];
  readonly functions: ExposedFunction[];
}

export function tableOf({ modules, callers, functions }: Registry): FunctionTable {
  return {
    modules: [...modules],
    moduleCallers: callers.map(([module, names]) => ({ module, callers: [...names] })),
    functions: functions.map(({ id, module, name, arity, binaries }) => ({
      id,
      module,
      name,
      arity,
      binaries: binaries === undefined ? null : BINARIES[binaries],
    })),
  };
}

/** Undefined if the tables are equal. */
export function difference(one: FunctionTable, other: FunctionTable): string | undefined {
  if (toJson(one) === toJson(other)) return undefined;
  const namesOf = ({ modules, functions }: FunctionTable): string[] => [
    ...modules,
    ...functions.map(({ module, name, arity }) => `${module}:${name}/${arity}`),
  ];
  const [ones, others] = [namesOf(one), namesOf(other)];
  const missing = ones.filter((name) => !others.includes(name));
  const more = others.filter((name) => !ones.includes(name));
  const listed = (names: string[]): string =>
    names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');
  if (missing.length > 0) return `it does not have ${listed(missing)}`;
  if (more.length > 0) return `only one has ${listed(more)}`;
  if (toJson(one.moduleCallers) !== toJson(other.moduleCallers))
    return 'their modules have different callers';
  return 'their functions are in a different order';
}

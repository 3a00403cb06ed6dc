import { OptionError } from '../errors/errors.js';
import { serverOptions, type ServerSettings } from './options.js';
import type { Modules } from './registry.js';

/** The exports of a file. */
export type ModuleNamespace = Readonly<Record<string, unknown>>;

/** What a file offers to a server that imports it. */
export interface ServedExports {
  /** Its default export if there is one, else all other exports. */
  readonly modules: Modules;
  /** Its export `interceptors`, if that is a list. An object of that name is a module like any other. */
  readonly interceptors: ServerSettings['interceptors'];
}

/** @throws {@link OptionError} if the interceptors are none */
export function readExports(namespace: ModuleNamespace): ServedExports {
  if (Object.hasOwn(namespace, 'interceptors') && typeof namespace['interceptors'] === 'function') {
    throw new OptionError("the export 'interceptors' must be a list of functions, not a function", {
      option: 'interceptors',
    });
  }
  const interceptors = exportedInterceptors(namespace);
  if (Object.hasOwn(namespace, 'default')) {
    return { modules: namespace['default'] as Modules, interceptors };
  }
  if (!Array.isArray(namespace['interceptors'])) {
    return { modules: namespace as Modules, interceptors };
  }
  const { interceptors: _, ...modules } = namespace;
  return { modules: modules as Modules, interceptors };
}

/** The interceptors that a file exports. */
export function exportedInterceptors(namespace: ModuleNamespace): ServerSettings['interceptors'] {
  if (!Object.hasOwn(namespace, 'interceptors')) return undefined;
  const { interceptors } = namespace;
  if (!Array.isArray(interceptors)) return undefined;
  return serverOptions({ interceptors }).interceptors;
}

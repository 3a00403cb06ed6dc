import { OptionError } from '../errors/errors.js';
import { serverOptions, type ServerSettings } from './options.js';
import type { Modules } from './registry.js';

/** Without a prototype, like every namespace of `import()`. */
export type ModuleNamespace = Readonly<Record<string, unknown>>;

export interface ServedExports {
  /** The default export, or else all other exports. */
  readonly modules: Modules;
  /** The export of this name, if it is a list; an object is a module. */
  readonly interceptors: ServerSettings['interceptors'];
}

export function readExports(namespace: ModuleNamespace): ServedExports {
  const { interceptors: exported } = namespace;
  if (typeof exported === 'function') {
    throw new OptionError("the export 'interceptors' must be a list of functions, not a function", {
      option: 'interceptors',
    });
  }
  const interceptors = exportedInterceptors(namespace);
  if (Object.hasOwn(namespace, 'default')) {
    return { modules: namespace['default'] as Modules, interceptors };
  }
  if (!Array.isArray(exported)) return { modules: namespace as Modules, interceptors };
  const { interceptors: _, ...modules } = namespace;
  return { modules: modules as Modules, interceptors };
}

export function exportedInterceptors(namespace: ModuleNamespace): ServerSettings['interceptors'] {
  const { interceptors } = namespace;
  return Array.isArray(interceptors) ? serverOptions({ interceptors }).interceptors : undefined;
}

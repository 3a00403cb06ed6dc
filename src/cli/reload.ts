import { register } from 'node:module';
import { createRegistry, expose, type Modules, type RegisteredFunction } from '../registry.js';

/**
 * Has modules imported anew along with the one that imports them: the number of the reload is passed on to
 * what is imported from files outside of node_modules.
 */
const HOOKS = `
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context);
  if (!context.parentURL?.startsWith('file:') || !resolved.url.startsWith('file:')) return resolved;
  const version = new URL(context.parentURL).searchParams.get('backwater-reload');
  const url = new URL(resolved.url);
  if (version === null || url.pathname.includes('/node_modules/')) return resolved;
  url.searchParams.set('backwater-reload', version);
  return { ...resolved, url: url.href };
}`;

/** To be called before anything that is to be imported again. */
export function reloadable(): void {
  register(`data:text/javascript,${encodeURIComponent(HOOKS)}`);
}

/** Functions that stay the same for a server while what they do is replaced. */
export class Stubs {
  #functions = new Map<string, RegisteredFunction>();
  #modules: readonly string[] = [];

  /** @returns whether there are other functions now */
  replace(modules: Modules): boolean {
    const { functions, modules: names } = createRegistry(modules);
    const before = this.#signature();
    this.#functions = new Map(functions.map((one) => [nameOf(one), one]));
    this.#modules = names;
    return before !== this.#signature();
  }

  /** Such as `string:to_upper/1`. */
  names(): readonly string[] {
    return [...this.#functions.keys()].sort();
  }

  /** What a server is to expose. */
  modules(): Modules {
    const modules = new Map<string, Record<string, unknown>>();
    for (const name of this.#modules) modules.set(name, Object.create(null) as never);
    const groups = new Map<string, RegisteredFunction[]>();
    for (const one of this.#functions.values()) {
      const key = `${one.module}\0${one.name}`;
      groups.set(key, [...(groups.get(key) ?? []), one]);
    }
    for (const group of groups.values()) {
      const { module, name, context } = group[0]!;
      const arity = group.map((one) => one.arity);
      const run = this.#runner(module, name, context);
      const options = context ? { arity, context: true as const } : { arity };
      modules.get(module)![name] = expose.fn(run as never, options as never);
    }
    return modules;
  }

  /** Calls what is there when it is called. */
  #runner(module: string, name: string, context: boolean): (...args: unknown[]) => unknown {
    return (...args) => {
      const arity = context ? args.length - 1 : args.length;
      const target = this.#functions.get(nameOf({ module, name, arity }));
      if (target === undefined) throw new Error(`${module}:${name}/${arity} is not there any more`);
      return Reflect.apply(target.fn, undefined, args) as unknown;
    };
  }

  #signature(): string {
    const contexts = [...this.#functions].map(([name, { context }]) => `${name} ${context}`);
    return [...this.#modules, ...contexts].sort().join('\n');
  }
}

function nameOf({
  module,
  name,
  arity,
}: Pick<RegisteredFunction, 'module' | 'name' | 'arity'>): string {
  return `${module}:${name}/${arity}`;
}

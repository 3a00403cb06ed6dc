/** Proxies can make a prototype chain endless. */
const MAX_PROTOTYPES = 100;

/** The object, and what it inherits from. */
export function* prototypesOf(object: object): Generator<object, void> {
  let next: object | null = object;
  for (let count = 0; next !== null && count < MAX_PROTOTYPES; count++) {
    yield next;
    next = Object.getPrototypeOf(next) as object | null;
  }
}

/** Ignores what a program has added to Object.prototype. */
export function readProperty(object: object, key: string): unknown {
  for (const owner of prototypesOf(object)) {
    if (!Object.hasOwn(owner, key)) continue;
    if (owner !== object && Object.getPrototypeOf(owner) === null) return undefined;
    break;
  }
  return Reflect.get(object, key) as unknown;
}

export function ownProperties<Options extends object>(
  options: Options | null | undefined,
): Options {
  return { __proto__: null, ...options } as never;
}

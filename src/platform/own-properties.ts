/** Proxies can make a prototype chain endless. */
const MAX_PROTOTYPES = 100;

/** Ignores what a program has added to Object.prototype. */
export function readProperty(object: object, key: string): unknown {
  let owner: object | null = object;
  for (let count = 0; owner !== null && count < MAX_PROTOTYPES; count++) {
    if (Object.hasOwn(owner, key)) break;
    owner = Object.getPrototypeOf(owner) as object | null;
  }
  const isRoot = owner !== null && owner !== object && Object.getPrototypeOf(owner) === null;
  return isRoot ? undefined : (Reflect.get(object, key) as unknown);
}

export function ownProperties<Options extends object>(
  options: Options | null | undefined,
): Options {
  return { __proto__: null, ...options } as never;
}

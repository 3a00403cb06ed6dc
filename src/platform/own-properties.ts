/** What the caller has given, without what a program has added to Object.prototype. */
export function ownProperties<Options extends object>(
  options: Options | null | undefined,
): Options {
  return { __proto__: null, ...options } as never;
}

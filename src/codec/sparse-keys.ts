/** So far that V8 uses a hash table for all indices. */
const FAR = 1 << 20;
/** Up to this many slots per key, an array is as small as a hash table. */
const SLOTS_PER_KEY = 4;

/**
 * Whether a key is an array index much larger than the number of keys. V8 would allocate a slot for
 * each smaller index: 28 KiB for the keys 1023 and 2400.
 *
 * @param count how many keys the object will have
 */
export function isSparse(key: string, count: number): boolean {
  const first = key.charCodeAt(0);
  if (!(first >= 49 && first <= 57) || key.length > 7) return false;
  const index = Number(key);
  // V8 uses a hash table for larger ones by itself.
  return index >= SLOTS_PER_KEY * count && index < FAR;
}

/** Sets a sparse key, and makes V8 keep indices in a hash table. */
export function setSparse(object: Record<string, unknown>, key: string, value: unknown): void {
  if (Object.hasOwn(object, FAR)) {
    object[key] = value;
    return;
  }
  object[FAR] = undefined;
  object[key] = value;
  delete object[FAR];
}

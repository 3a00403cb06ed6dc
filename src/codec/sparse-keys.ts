/** Far enough from any other index for V8 to keep all of them in a hash table. */
const FAR = 1 << 20;
/** Up to this many slots for each key, an array takes no more memory than a hash table. */
const SLOTS_PER_KEY = 4;

/**
 * Whether a key is an array index that is much larger than the number of keys of its object. V8 would
 * allocate a slot for each smaller index: 28 KiB for the keys 1023 and 2400.
 *
 * @param count how many keys the object is to have
 */
export function isSparse(key: string, count: number): boolean {
  const first = key.charCodeAt(0);
  if (!(first >= 49 && first <= 57) || key.length > 7) return false;
  const index = Number(key);
  // V8 takes a hash table for the larger ones without help.
  return index >= SLOTS_PER_KEY * count && index < FAR;
}

/** Sets such a key, and has V8 keep the array indices of the object in a hash table. */
export function setSparse(object: Record<string, unknown>, key: string, value: unknown): void {
  if (Object.hasOwn(object, FAR)) {
    object[key] = value;
    return;
  }
  object[FAR] = undefined;
  object[key] = value;
  delete object[FAR];
}

/** From here on V8 uses a hash table. */
const FAR = 1 << 20;
/** Up to here an array is as small as a hash table. */
const SLOTS_PER_KEY = 4;

/**
 * Whether V8 would waste memory, since it allocates a slot for each smaller index: 28 KiB for the
 * keys 1023 and 2400.
 */
export function isSparse(key: string, count: number): boolean {
  const first = key.charCodeAt(0);
  if (!(first >= 49 && first <= 57) || key.length > 7) return false;
  const index = Number(key);
  return index >= SLOTS_PER_KEY * count && index < FAR;
}

/** Makes V8 keep indices in a hash table. */
export function setSparse(object: Record<string, unknown>, key: string, value: unknown): void {
  if (Object.hasOwn(object, FAR)) {
    object[key] = value;
    return;
  }
  object[FAR] = undefined;
  object[key] = value;
  delete object[FAR];
}

const MAX_COLLIDING_TEXTS = 256;

/**
 * Whether this Set would take quadratic time in V8 before March 2026 (CVE-2026-21717, see
 * crates/etf/src/collisions.rs). The decoder checks only the keys of Maps.
 */
export function haveCollidingTexts(members: readonly unknown[]): boolean {
  if (members.length <= MAX_COLLIDING_TEXTS) return false;
  // V8's tables have a power of two of entries, and half as many buckets.
  const buckets = 2 ** Math.ceil(Math.log2(members.length)) / 2;
  const counts = new Uint16Array(Math.min(buckets, 2 ** 24));
  return members.some((member) => {
    if (typeof member !== 'string' || !/^\d{1,10}$/.test(member)) return false;
    const bucket = Number(member) % counts.length;
    counts[bucket]!++;
    return counts[bucket]! > MAX_COLLIDING_TEXTS;
  });
}

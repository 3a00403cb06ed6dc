/** Buckets of each doubling: a latency is known to 1.6 percent. */
const STEPS = 64;

/** How often which latency was seen, in memory that does not grow with their number. */
export class Histogram {
  readonly #counts: number[] = [];
  count = 0;
  /** Milliseconds. */
  min = Infinity;
  max = 0;
  #sum = 0;

  /** @param time milliseconds */
  add(time: number): void {
    const bucket = bucketOf(time);
    while (this.#counts.length <= bucket) this.#counts.push(0);
    this.#counts[bucket]!++;
    this.count++;
    this.#sum += time;
    this.min = Math.min(this.min, time);
    this.max = Math.max(this.max, time);
  }

  get mean(): number {
    return this.count === 0 ? 0 : this.#sum / this.count;
  }

  /** The time within which that share of all were done, in milliseconds. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(this.count * share));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank) return Math.min(endOf(bucket), this.max);
    }
    return this.max;
  }

  /** How many were done within that time and not within the one before it; `rows` times in all. */
  rows(rows: number): { within: number; count: number }[] {
    if (this.count === 0) return [];
    // One bucket has nothing to be divided.
    if (bucketOf(this.min) === bucketOf(this.max)) return [{ within: this.max, count: this.count }];
    const low = Math.max(this.min, 0.001);
    const factor = (Math.max(this.max, low) / low) ** (1 / rows);
    const result = Array.from({ length: rows }, (_, row) => ({
      within: row === rows - 1 ? this.max : low * factor ** (row + 1),
      count: 0,
    }));
    let row = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      while (row < rows - 1 && endOf(bucket) > result[row]!.within * (1 + 1 / STEPS)) row++;
      result[row]!.count += count;
    }
    return result;
  }
}

/** Microseconds up to STEPS have a bucket each; above, each doubling has STEPS. */
function bucketOf(time: number): number {
  const micros = Math.max(0, Math.round(time * 1000));
  if (micros < STEPS * 2) return micros;
  const shift = Math.floor(Math.log2(micros)) - 6;
  return STEPS * (shift + 1) + (Math.floor(micros / 2 ** shift) - STEPS);
}

/** The largest time of a bucket, in milliseconds. */
function endOf(bucket: number): number {
  if (bucket < STEPS * 2) return bucket / 1000;
  const shift = Math.floor(bucket / STEPS) - 1;
  return (((bucket % STEPS) + STEPS + 1) * 2 ** shift - 1) / 1000;
}

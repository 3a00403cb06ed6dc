/** Seeded pseudo-random numbers (xoshiro128**, Blackman and Vigna). */
export class Random {
  readonly #state: Uint32Array;

  constructor(seed: number, stream: number) {
    // SplitMix32 spreads the seed over the state.
    let mixed = Math.imul(seed, 0x9e37_79b9) ^ Math.imul(stream + 1, 0x85eb_ca6b);
    this.#state = Uint32Array.from({ length: 4 }, () => {
      mixed = (mixed + 0x9e37_79b9) | 0;
      let word = mixed ^ (mixed >>> 16);
      word = Math.imul(word, 0x21f0_aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a_2d97);
      return word ^ (word >>> 15);
    });
  }

  uint32(): number {
    const state = this.#state;
    const product = Math.imul(state[1]!, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = state[1]! << 9;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= shifted;
    state[3] = (state[3]! << 11) | (state[3]! >>> 21);
    return result;
  }

  below(count: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * count);
  }

  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  weighted<T>(items: readonly (readonly [weight: number, item: T])[]): T {
    let place = this.below(items.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, item] of items) {
      place -= weight;
      if (place < 0) return item;
    }
    throw new Error('no item has a weight');
  }

  bytes(length: number): Buffer {
    return Buffer.from(Uint8Array.from({ length }, () => this.uint32() & 255));
  }
}

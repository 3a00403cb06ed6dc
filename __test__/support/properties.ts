import fc from 'fast-check';

/** Runs per property without BACKWATER_PROPERTY_RUNS. */
const DEFAULT_RUNS = 150;
/** A fixed seed, so that results do not change. */
const DEFAULT_SEED = 20_260_101;

const environment = (name: string): number | undefined => {
  const text = process.env[name];
  return text === undefined || text === '' ? undefined : Number(text);
};

/**
 * BACKWATER_PROPERTY_RUNS tries as many new values each time; BACKWATER_PROPERTY_SEED repeats those
 * of a seed.
 */
function parameters(runs: number): { numRuns: number; seed?: number } {
  const wanted = environment('BACKWATER_PROPERTY_RUNS');
  const seed =
    environment('BACKWATER_PROPERTY_SEED') ?? (wanted === undefined ? DEFAULT_SEED : undefined);
  return { numRuns: wanted ?? runs, ...(seed === undefined ? {} : { seed }) };
}

/** A failure reports its seed for BACKWATER_PROPERTY_SEED. */
export function hold<Ts>(property: fc.IProperty<Ts>): void {
  fc.assert(property, parameters(DEFAULT_RUNS));
}

/** `count` values, or BACKWATER_PROPERTY_RUNS. */
export function sample<T>(values: fc.Arbitrary<T>, count: number): T[] {
  return fc.sample(values, parameters(count));
}

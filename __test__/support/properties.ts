import fc from 'fast-check';

/** How often each property is tried unless BACKWATER_PROPERTY_RUNS says otherwise. */
const DEFAULT_RUNS = 150;
/** Where the random values begin unless somebody looks for others: what passes once passes always. */
const DEFAULT_SEED = 20_260_101;

const environment = (name: string): number | undefined => {
  const text = process.env[name];
  return text === undefined || text === '' ? undefined : Number(text);
};

/**
 * With BACKWATER_PROPERTY_RUNS the values are others each time, and so many; with BACKWATER_PROPERTY_SEED
 * those of that seed.
 */
function parameters(runs: number): { numRuns: number; seed?: number } {
  const wanted = environment('BACKWATER_PROPERTY_RUNS');
  const seed =
    environment('BACKWATER_PROPERTY_SEED') ?? (wanted === undefined ? DEFAULT_SEED : undefined);
  return { numRuns: wanted ?? runs, ...(seed === undefined ? {} : { seed }) };
}

/** Tries a property; the error of one that fails gives its seed, for BACKWATER_PROPERTY_SEED. */
export function hold<Ts>(property: fc.IProperty<Ts>): void {
  fc.assert(property, parameters(DEFAULT_RUNS));
}

/** So many random values, or as many as BACKWATER_PROPERTY_RUNS says. */
export function sample<T>(values: fc.Arbitrary<T>, count: number): T[] {
  return fc.sample(values, parameters(count));
}

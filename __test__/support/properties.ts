import fc from 'fast-check';

const DEFAULT_RUNS = 150;
/** Fixed, so that results do not change. */
const DEFAULT_SEED = 20_260_101;

const environment = (name: string): number | undefined => {
  const text = process.env[name];
  return text === undefined || text === '' ? undefined : Number(text);
};

/**
 * BACKWATER_PROPERTY_RUNS tries that many new values, BACKWATER_PROPERTY_SEED repeats a run.
 */
function parameters(runs: number): { numRuns: number; seed?: number } {
  const wanted = environment('BACKWATER_PROPERTY_RUNS');
  const seed =
    environment('BACKWATER_PROPERTY_SEED') ?? (wanted === undefined ? DEFAULT_SEED : undefined);
  return { numRuns: wanted ?? runs, ...(seed === undefined ? {} : { seed }) };
}

export function hold<Ts>(property: fc.IProperty<Ts>): void {
  fc.assert(property, parameters(DEFAULT_RUNS));
}

export function sample<T>(values: fc.Arbitrary<T>, count: number): T[] {
  return fc.sample(values, parameters(count));
}

import fc from 'fast-check';

/** How often each property is tried unless BACKWATER_PROPERTY_RUNS says otherwise. */
const DEFAULT_RUNS = 150;

const environment = (name: string): number | undefined => {
  const text = process.env[name];
  return text === undefined || text === '' ? undefined : Number(text);
};

/** Tries a property; the error of one that fails gives its seed, for BACKWATER_PROPERTY_SEED. */
export function hold<Ts>(property: fc.IProperty<Ts>): void {
  const seed = environment('BACKWATER_PROPERTY_SEED');
  fc.assert(property, {
    numRuns: environment('BACKWATER_PROPERTY_RUNS') ?? DEFAULT_RUNS,
    ...(seed === undefined ? {} : { seed }),
  });
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function summary(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (share) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** The second best of the samples, since other work can only slow a round down, and half their range. */
function rounds({ samples }, pick, isBetter) {
  const values = samples.map(pick).filter((value) => value !== undefined);
  if (values.length === 0) return undefined;
  const sorted = values.sort((a, b) => (isBetter(a, b) ? -1 : 1));
  return { value: sorted[1] ?? sorted[0], half: halfOfRange(values) };
}

export const halfOfRange = (values) => (Math.max(...values) - Math.min(...values)) / 2;

export const cpuOf = (figure, part = 'all') =>
  rounds(
    figure,
    ({ cpu }) => cpu[figure.side]?.[part],
    (a, b) => a < b,
  );
export const rateOf = (figure) =>
  rounds(
    figure,
    ({ rate }) => rate,
    (a, b) => a > b,
  );

export const find = (figures, column, side, peer) =>
  figures.find(
    (figure) =>
      figure.column === column &&
      figure.side === side &&
      figure.peer === peer &&
      !figure.extra &&
      figure.samples.length > 0,
  );

export type Shows = (candidates: readonly Buffer[]) => Promise<boolean[]>;

const MAX_ROUNDS = 40;

export async function minimise(bytes: Buffer, shows: Shows): Promise<Buffer> {
  let smallest = bytes;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const candidates = shorter(smallest);
    const showing = await shows(candidates);
    const next = candidates.find((_, index) => showing[index]);
    if (next === undefined) return smallest;
    smallest = next;
  }
  return smallest;
}

function shorter(bytes: Buffer): Buffer[] {
  const candidates: Buffer[] = [];
  const step = Math.max(1, Math.floor(bytes.length / 100));
  for (let at = bytes.length - 1; at > 1; at -= step) {
    candidates.push(Buffer.concat([bytes.subarray(0, 1), bytes.subarray(at)]));
  }
  for (let end = 2; end < bytes.length; end += step) candidates.push(bytes.subarray(0, end));
  for (let size = bytes.length >> 1; size >= 1; size >>= 1) {
    for (let at = 1; at + size <= bytes.length; at += Math.max(size, step)) {
      candidates.push(Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]));
    }
  }
  return candidates.sort((a, b) => a.length - b.length);
}

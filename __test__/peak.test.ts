import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { atom, encode, tuple } from '../src/index.js';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const DECODING = [file('./support/peak-child.js')];
const CALLING = [file('./support/peak-call-child.js'), 'client'];
const MIB = 1024 * 1024;

function message(size: number, item: (index: number) => unknown): Buffer {
  const sample = encode(Array.from({ length: 1000 }, (_, index) => item(index + 1000)));
  const count = Math.ceil((size / sample.length) * 1000);
  return encode(
    Array.from({ length: count }, (_, index) => item(index)),
    { maxSize: 2 * size },
  );
}

const kinds: Record<string, (size: number) => Buffer> = {
  records: (size) =>
    message(size, (index) => ({
      id: index,
      name: `Person Number ${index}`,
      email: `person.${index}@example.com`,
      active: index % 3 !== 0,
      score: index + 0.1,
      tags: ['alpha', 'beta'],
    })),
  'small integers': (size) => message(size, (index) => index % 300),
  integers: (size) => message(size, (index) => 1000 + (index % 100_000)),
  doubles: (size) => message(size, (index) => index + 0.5),
  'pairs of doubles': (size) => message(size, (index) => [index + 0.5, 0.25]),
  tuples: (size) => message(size, (index) => tuple(atom('ok'), index, 'x')),
  'short texts': (size) => message(size, (index) => `text ${index}`),
  'long texts': (size) => message(size, (index) => `${index} `.padEnd(1000, 'x')),
  'text beyond Latin-1': (size) => message(size, (index) => `${index} `.padEnd(300, '日')),
  'one text': (size) => encode('x'.repeat(size), { maxSize: 2 * size }),
  'one binary': (size) => encode(Buffer.alloc(size, 255), { maxSize: 2 * size }),
  'a map of many keys': (size) =>
    encode(
      Object.fromEntries(Array.from({ length: size / 20 }, (_, index) => [`key ${index}`, index])),
      { maxSize: 2 * size },
    ),
};

/** Returns MiB held while a message of that size is read, and the size of the result. */
async function reading(
  how: readonly string[],
  kind: string,
  size: number,
): Promise<{ held: number; result: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-peak-'));
  try {
    const paths = [64 * 1024, size].map((bytes, index) => {
      const path = join(folder, String(index));
      writeFileSync(path, kinds[kind]!(bytes));
      return path;
    });
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--expose-gc',
      ...how,
      ...paths,
    ]);
    const { held, result } = JSON.parse(stdout) as { held: number; result: number };
    return { held: held / MIB, result: result / MIB };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** V8 and the allocator take memory in larger pieces than they need. */
const FIXED = 2;

const sizes: Record<string, readonly number[]> = {
  records: [1, 8, 24],
  doubles: [1, 8, 24, 64],
  'long texts': [1, 8, 24],
  'one text': [1, 8, 64],
};

for (const kind of Object.keys(kinds)) {
  for (const size of sizes[kind] ?? [1, 8]) {
    // Only Linux reports peak memory.
    (process.platform === 'linux' ? test.serial : test.skip)(
      `decoding ${size} MiB of ${kind} holds at most three times the size of the result`,
      async (t) => {
        const { held, result } = await reading(DECODING, kind, size * MIB);
        t.log(`${held.toFixed(1)} MiB held, result of ${result.toFixed(1)} MiB`);
        t.true(held <= 3 * result + FIXED, `${held} MiB for a result of ${result} MiB`);
      },
    );
  }
}

for (const kind of ['records', 'long texts', 'short texts']) {
  (process.platform === 'linux' ? test.serial : test.skip)(
    `a call with a result of 8 MiB of ${kind} holds at most four times its size`,
    async (t) => {
      const { held, result } = await reading(CALLING, kind, 8 * MIB);
      t.log(`${held.toFixed(1)} MiB held, result of ${result.toFixed(1)} MiB`);
      // Includes the message: compressed, inflated, and in the pieces that arrived.
      t.true(held <= 4 * result + FIXED, `${held} MiB for a result of ${result} MiB`);
    },
  );
}

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const child = fileURLToPath(new URL('./support/memory-child.js', import.meta.url));

/** Megabytes of heap and RSS that rounds of a load leave behind after a warm-up. */
async function growth(
  load: string,
  warmUp: number,
  rounds: number,
): Promise<{ heap: number; rss: number }> {
  const args = ['--expose-gc', child, load, String(warmUp), String(rounds)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 240_000 });
  return JSON.parse(stdout) as { heap: number; rss: number };
}

test('a million distinct atoms from the wire do not grow the heap', async (t) => {
  // Kept, they would take some 200 MiB.
  const { heap } = await growth('atoms', 10, 100);
  t.true(heap < 20, `${heap} MiB`);
});

test('objects with unique keys hardly grow the heap', async (t) => {
  // A generated reader for each would take some 150 MiB.
  const { heap } = await growth('shapes', 5, 45);
  t.true(heap < 20, `${heap} MiB`);
});

test('a retained atom does not retain the names of its message', async (t) => {
  // 100 messages with half a megabyte of names.
  const { heap } = await growth('names', 5, 100);
  t.true(heap < 10, `${heap} MiB`);
});

test('decoding and encoding 8 MiB repeatedly reaches a plateau', async (t) => {
  // One more message per round would be 480 MiB.
  const { heap, rss } = await growth('large', 20, 60);
  t.true(heap < 24, `${heap} MiB of heap`);
  t.true(rss < 160, `${rss} MiB of RSS`);
});

test('a retained small string retains at most 64 KiB of its message', async (t) => {
  // 300 messages of one megabyte; 300 chunks are 19 MiB.
  const { heap } = await growth('strings', 20, 300);
  t.true(heap < 30, `${heap} MiB`);
});

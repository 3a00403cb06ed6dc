/** Prints how much memory a load leaves behind. Run by memory.test.ts with --expose-gc. */
import { setTimeout as sleep } from 'node:timers/promises';
import { decode, encode } from '../../src/index.js';

const MIB = 1024 * 1024;

interface Use {
  readonly heap: number;
  readonly rss: number;
}

async function settle(): Promise<Use> {
  for (let round = 0; round < 6; round++) {
    globalThis.gc!();
    await sleep(20);
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: (heapUsed + external) / MIB, rss: rss / MIB };
}

/** Encodes atoms by hand, because `atom()` would keep them. */
function atomList(first: number, count: number, length = 0): Buffer {
  const parts = [Buffer.from([131, 108, 0, 0, 0, 0])];
  parts[0]!.writeUInt32BE(count, 2);
  for (let index = first; index < first + count; index++) {
    const name = Buffer.from(`atom_${index}`.padEnd(length, '_'));
    parts.push(Buffer.from([119, name.length]), name);
  }
  parts.push(Buffer.from([106]));
  return Buffer.concat(parts);
}

let kept: unknown[] = [];

const loads: Record<string, (from: number, to: number) => Promise<void>> = {
  async atoms(from, to) {
    for (let round = from; round < to; round++) {
      decode(atomList(round * 10_000, 10_000));
      // Finalizers of atoms run between turns of the event loop.
      if (round % 5 === 0) await sleep(1);
    }
  },
  /** Each round keeps one atom of a message with half a megabyte of names. */
  async names(from, to) {
    for (let round = from; round < to; round++) {
      kept.push((decode(atomList(round * 2000, 2000, 250)) as unknown[])[round % 2000]);
      await sleep(0);
    }
  },
  /** Each round has 100 messages with five objects of 64 new keys. */
  async shapes(from, to) {
    for (let message = from * 100; message < to * 100; message++) {
      const keys = Array.from({ length: 64 }, (_, key) => [`key ${message} ${key}`, key] as const);
      const object = Object.fromEntries(keys);
      const list = [object, object, object, object, object];
      decode(encode(list));
      if (message % 100 === 0) await sleep(0);
    }
  },
  async large(from, to) {
    const strings = Array.from({ length: 8 * 1024 }, (_, index) => `${index} `.padEnd(1000, 'x'));
    const bytes = encode(strings);
    for (let round = from; round < to; round++) {
      encode(decode(bytes));
      await sleep(0);
    }
  },
  /** Each round keeps one small string of a message of a megabyte. */
  async strings(from, to) {
    const bytes = encode(Array.from({ length: 1024 }, (_, index) => `${index} `.padEnd(1024, 'y')));
    for (let round = from; round < to; round++) {
      kept.push((decode(bytes) as string[])[round % 1024]);
      await sleep(0);
    }
  },
};

const [, , name, warmUp, rounds] = process.argv;
const load = loads[name!]!;
await load(0, Number(warmUp));
const before = await settle();
await load(Number(warmUp), Number(warmUp) + Number(rounds));
const after = await settle();
console.log(JSON.stringify({ heap: after.heap - before.heap, rss: after.rss - before.rss }));
kept = [];

import test from 'ava';

// Memory for an attacker's bytes. `npm run bench -- costs-of-input` measures the CPU time.

interface Kind {
  readonly name: string;
  readonly side: 'server' | 'client';
  readonly stage: 'before' | 'after';
  readonly base?: boolean;
  readonly fixed?: boolean;
  readonly size: number;
  readonly smallest: Kind;
}

process.env['BACKWATER_LIBRARY'] = new URL('../src/index.js', import.meta.url).href;
const folder = new URL('../../bench/costs-of-input/', import.meta.url).href;

/** Bytes of memory for each byte of a message, beyond what the smallest message takes. */
const MOST = 10;

for (const side of ['server', 'client'] as const) {
  // Only Linux reports peak memory.
  (process.platform === 'linux' ? test.serial : test.skip)(
    `before authentication a ${side} holds at most ${MOST} bytes for each byte that it is sent`,
    async (t) => {
      t.timeout(600_000);
      const { loadKinds } = (await import(`${folder}kinds.mjs`)) as {
        loadKinds(isWanted: (kind: Kind) => boolean): Promise<readonly Kind[]>;
      };
      const { memoryOfInput } = (await import(`${folder}measure.mjs`)) as {
        memoryOfInput(kind: Kind, quick: boolean): Promise<number>;
      };
      const loaded = await loadKinds((kind) => kind.side === side && kind.stage === 'before');
      const kinds = loaded.filter((kind) => !kind.base && !kind.fixed);
      const least = await memoryOfInput(kinds[0]!.smallest, true);
      for (const kind of kinds) {
        const held = await memoryOfInput(kind, true);
        const ratio = (held - least) / (kind.size - kind.smallest.size);
        t.true(ratio <= MOST, `${kind.name}: ${ratio} bytes`);
      }
    },
  );
}

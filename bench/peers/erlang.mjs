// Erlang's own codec, in a process of its own.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./erlang.escript', import.meta.url));

export const hasErlang = spawnSync('escript', ['--version']).error === undefined;

export async function startErlang(encoded) {
  const folder = mkdtempSync(join(tmpdir(), 'backwater-bench-'));
  const file = join(folder, 'term');
  writeFileSync(file, encoded);
  const child = spawn('escript', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line) => {
    child.stdin.write(`${line}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('Erlang ended before it answered');
    return value;
  };
  await ask(`load ${file}`);
  const timed = (command) => ({
    time: async (repeat) => Number(await ask(`${command} ${repeat}`)),
  });
  return {
    decode: timed('decode'),
    encode: timed('encode'),
    stop: () => {
      child.stdin.end();
      rmSync(folder, { recursive: true });
    },
  };
}

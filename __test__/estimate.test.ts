import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

test("estimates of V8's memory are accurate within a factor of two", async (t) => {
  const child = fileURLToPath(new URL('./support/estimate-child.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', child]);
  const results = JSON.parse(stdout) as Record<string, { estimate: number; taken: number }>;
  for (const [kind, { estimate, taken }] of Object.entries(results)) {
    const ratio = estimate / taken;
    t.log(`${kind}: ${ratio.toFixed(2)}`);
    t.true(ratio >= 0.5 && ratio <= 2, `${kind}: ${estimate} for ${taken}`);
  }
});

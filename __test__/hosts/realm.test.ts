import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { projectRoot } from '../support/root.js';

const child = fileURLToPath(new URL('./realm-child.js', import.meta.url));

test('the library works in a test runner with its own realm', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [child, projectRoot()], {
    timeout: 120_000,
  });
  const lines = stdout.trimEnd().split('\n');
  t.is(lines.length, 10, stdout);
  for (const line of lines) t.true(line.endsWith(': ok'), stdout);
});

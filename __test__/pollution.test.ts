import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const child = fileURLToPath(new URL('./support/polluted-child.js', import.meta.url));

for (const when of ['before', 'after']) {
  for (const kind of ['values', 'read-only values', 'setters', 'frozen']) {
    test(`decoding ignores prototypes polluted ${when} loading: ${kind}`, async (t) => {
      const { stdout } = await promisify(execFile)(process.execPath, [child, when, kind]);
      t.is(stdout, 'the same');
    });
  }
}

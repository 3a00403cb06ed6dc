// The examples of docs/testing.md, run by the test runners themselves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { application, run, section } from './application.mjs';

const { files: shared } = section('testing.md');

for (const [runner, description, links] of [
  ['node:test', '{}', []],
  ['Jest', '{}', []],
  ['Vitest', '{ "type": "module" }', ['vitest']],
]) {
  const { files, commands } = section('testing.md', runner);
  const lines = commands.flatMap((block) => block.trim().split('\n'));
  // Timers are then mocked before the package is loaded, too.
  if (runner === 'Jest') lines.push(`npx jest --fakeTimers='{"enableGlobally":true}'`);
  for (const command of lines) {
    test(command, { timeout: 240_000 }, async () => {
      const folder = application({ ...shared, ...files, 'package.json': description }, { links });
      const { status, output } = await run(folder, 'bash', '-c', command);
      assert.equal(status, 0, output);
      // What has not been closed makes Jest say this, and wait.
      assert.doesNotMatch(output, /did not exit|open handle/i);
    });
  }
}

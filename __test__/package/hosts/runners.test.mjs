// Runs the examples of docs/testing.md with the test runners.
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
  if (runner === 'Jest') lines.push(`npx jest --fakeTimers='{"enableGlobally":true}'`);
  for (const command of lines) {
    test(command, { timeout: 240_000 }, async () => {
      const folder = application({ ...shared, ...files, 'package.json': description }, { links });
      const { status, output } = await run(folder, 'bash', '-c', command);
      assert.equal(status, 0, output);
      assert.doesNotMatch(output, /did not exit|open handle/i);
    });
  }
}

const REALM = `
const modules = {
  m: {
    echo: (value) => value,
    fail: () => { throw new RangeError('no article'); },
    hang: () => new Promise(() => {}),
  },
};
test('values, options and errors of this realm work', async () => {
  const options = { host: '127.0.0.1', port: 0 };
  const server = await startClearServer(new Uint8Array(32).fill(7), modules, options);
  const client = new Client({ url: new URL(server.url), secret: new Uint8Array(32).fill(7) });
  for (const value of [
    [1, 'two', { three: [null] }],
    new Map([[1, new Map([[2n ** 70n, 'x']])]]),
    tuple('ok', [tuple()]),
  ]) {
    expect(await client.call('m', 'echo', [value])).toEqual(value);
    expect(decode(new Uint8Array(encode(value)))).toEqual(value);
  }
  for (const bytes of [new Uint8Array([1, 255]), Buffer.from([1, 255])]) {
    expect([...(await client.call('m', 'echo', [bytes]))]).toEqual([1, 255]);
  }
  expect(() => encode(new Date())).toThrow('Date');
  const failure = await client.call('m', 'fail').catch((error) => error);
  expect(failure).toBeInstanceOf(Error);
  expect(failure).toBeInstanceOf(RemoteException);
  expect(failure.message).toContain('RangeError: no article');
  const controller = new AbortController();
  const call = client.call('m', 'hang', [], { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 50);
  await expect(call).rejects.toThrow('enough');
  await client.close();
  await server.close({ timeout: 0 });
});
`;
const NAMES = 'Client, decode, encode, RemoteException, startClearServer, tuple';

for (const [command, imports, description] of [
  ['npx jest --forceExit', `const { ${NAMES} } = require('backwater');`, '{}'],
  ['npx jest --forceExit --env=jsdom', `const { ${NAMES} } = require('backwater');`, '{}'],
  [
    'npx vitest run --pool=threads --environment=jsdom --globals',
    `import { ${NAMES} } from 'backwater';`,
    '{ "type": "module" }',
  ],
  [
    'npx vitest run --pool=vmThreads --environment=jsdom --globals',
    `import { ${NAMES} } from 'backwater';`,
    '{ "type": "module" }',
  ],
]) {
  test(`the library works in the realm of ${command}`, { timeout: 240_000 }, async () => {
    const files = { 'realm.test.js': imports + REALM, 'package.json': description };
    const folder = application(files, { links: ['vitest'] });
    const { status, output } = await run(folder, 'bash', '-c', command);
    assert.equal(status, 0, output);
  });
}

import test from 'ava';
import { runProgram } from './programs.js';

const USE = `
  const { Client, decode, encode, startClearServer } = await import(library);
  await import(terms);
  await import(new URL('elixir.mjs', library));
  await import(new URL('hooks.mjs', library));
  const server = await startClearServer(secret, { m: { echo: (value) => value } }, local);
  const client = new Client({ url: server.url.replace('127.0.0.1', 'localhost'), secret });
  const seen = [decode(encode({ a: [1, 2.5, 'x'] })), await client.call('m', 'echo', [{ a: new Map([[1, 'ü']]) }])];
  await client.close();
  await server.close();
  console.log(JSON.stringify(seen));`;

for (const flags of [
  ['--disable-proto=delete'],
  ['--disable-proto=throw'],
  ['--frozen-intrinsics', '--no-warnings'],
  ['--disallow-code-generation-from-strings'],
  ['--throw-deprecation', '--pending-deprecation'],
  ['--no-experimental-fetch', '--no-warnings'],
  ['--unhandled-rejections=strict'],
]) {
  test(`the library works with node ${flags.join(' ')}`, async (t) => {
    t.deepEqual(await runProgram(t, USE, flags), [{ a: [1, 2.5, 'x'] }, { a: {} }]);
  });
}

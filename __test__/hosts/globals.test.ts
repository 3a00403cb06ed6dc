import test from 'ava';
import { runProgram } from './programs.js';

const USE = `
  const use = async ({ Client, atom, decode, encode, expose, startClearServer, tuple }) => {
    const modules = {
      m: {
        echo: (value) => value,
        wait: expose.fn(({ signal }) => new Promise((resolve) => signal.addEventListener('abort', resolve)), {
          context: true,
        }),
      },
    };
    const server = await startClearServer(secret, modules, local);
    const client = new Client({ url: () => [server.url], secret });
    const value = { a: [1, 2.5, 'é'], ü: new Uint8Array([1, 2]), atom: atom('unusual atom'), list: ['x'.repeat(5000)] };
    const seen = [
      await client.call('m', 'echo', [value]),
      decode(encode(tuple(value, 10n ** 30n))),
      (await client.tryCall('m', 'wait', [], { timeout: 10 })).error.code,
    ];
    await client.close();
    await server.close({ timeout: 0 });
    return inspect(seen, { depth: 9 });
  };
  const { inspect } = await import('node:util');
  const { createRequire } = await import('node:module');
  const replace = () => {
    // Like npm's package 'buffer', which lacks some methods of Node's Buffer.
    globalThis.Buffer = class Buffer extends Uint8Array {
      static from(...given) {
        return Uint8Array.from(...given);
      }
    };
  };
  const remove = () => {
    for (const name of ['Buffer', 'AbortController', 'DOMException', 'FinalizationRegistry', 'WeakRef', 'process', 'URL', 'TextDecoder', 'TextEncoder']) {
      delete globalThis[name];
    }
  };
`;

for (const change of ['replace', 'remove']) {
  test(`the library works if a program ${change}s globals of Node after loading it`, async (t) => {
    const program = `${USE}
      const backwater = createRequire(library)('./index.js');
      const expected = await use(backwater);
      ${change}();
      const seen = await use(backwater);
      console.log(JSON.stringify(seen === expected ? 'same' : [seen, expected]));`;
    t.is(await runProgram(t, program), 'same');
  });
}

test('the library works if Buffer was replaced before it is loaded', async (t) => {
  const program = `${USE}
    replace();
    const seen = await use(createRequire(library)('./index.js'));
    console.log(JSON.stringify(seen.includes('unusual atom')));`;
  t.true(await runProgram(t, program));
});

import type * as backwater from '../../src/index.js';

export async function main(
  library: typeof backwater,
  report: (name: string, failure?: unknown) => void,
): Promise<void> {
  const { Client, startClearServer, decode, encode, atom, tuple, isTuple } = library;
  const { expose, OptionError, RemoteException, isBackwaterError } = library;
  const secret = new Uint8Array(32).fill(7);

  async function check(name: string, run: () => unknown): Promise<void> {
    try {
      await run();
      report(name);
    } catch (error) {
      report(name, error);
    }
  }
  function assert(condition: unknown, what = 'it does not hold'): asserts condition {
    if (condition !== true) throw new Error(what);
  }
  function equal(actual: unknown, expected: unknown): void {
    const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
    assert(a === b, `${a} instead of ${b}`);
  }
  async function thrownBy(run: () => unknown): Promise<unknown> {
    try {
      await run();
    } catch (error) {
      return error;
    }
    throw new Error('nothing is thrown');
  }

  await check('terms', () => {
    equal(decode(encode([1, 'x', null, true])), [1, 'x', null, true]);
    equal(decode(encode({ a: [1.5] })), { a: [1.5] });
    const pair = decode(encode(tuple(atom('ok'), 1)));
    assert(isTuple(pair, atom('ok'), 2));
  });
  await check('maps', () => {
    const map = new Map<unknown, unknown>([[1, 'one'], [atom('two'), 2]]); // prettier-ignore
    const decoded = decode(encode(map));
    assert(decoded instanceof Map, 'a map of this realm');
    equal([decoded.get(1), decoded.get(atom('two'))], ['one', 2]);
  });

  const functions = {
    same: (value: unknown) => value,
    fails: () => {
      throw new RangeError('too far');
    },
    stops: () => {
      throw new DOMException('stopped', 'AbortError');
    },
    never: () => new Promise(() => {}),
    soon: () => new Promise((resolve) => setTimeout(resolve, 5, 'later')),
    watched: expose.fn(
      ({ signal }: backwater.CallContext) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve('aborted'))),
      { context: true },
    ),
  };
  const modules = new Map<string, object>([['m', functions]]);
  const server = await startClearServer(secret, modules, { host: '127.0.0.1', port: 0 });
  const client = new Client({ url: new URL(server.url), secret: [Uint8Array.from(secret)] });

  await check('calls', async () => {
    equal(await client.call('m', 'same', [[1, 'x', { a: true }]]), [1, 'x', { a: true }]);
    equal(await client.call('m', 'soon'), 'later');
    equal(await client.module('m')['same']!(7), 7);
  });
  await check('errors of functions', async () => {
    const plain = await thrownBy(() => client.call('m', 'fails'));
    assert(plain instanceof RemoteException && plain instanceof Error, 'a RemoteException');
    assert(isBackwaterError(plain));
    equal(plain.message.includes('RangeError: too far'), true);
    const options = { rethrowRemoteExceptions: true };
    const thrown = await thrownBy(() => client.call('m', 'fails', [], options));
    assert(thrown instanceof RangeError, 'a RangeError of this realm');
    const dom = await thrownBy(() => client.call('m', 'stops', [], options));
    equal([(dom as Error).name, (dom as Error).message], ['AbortError', 'stopped']);
  });
  await check('signals', async () => {
    const controller = new AbortController();
    const call = client.tryCall('m', 'never', [], { signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    const result = await call;
    assert(!result.ok && result.error === reason, 'the reason itself');
    const other = new AbortController();
    const aborted = thrownBy(() => client.call('m', 'never', [], { signal: other.signal }));
    other.abort();
    equal(((await aborted) as Error).name, 'AbortError');
  });
  await check('wrong options', async () => {
    for (const wrong of [{ timeout: '1' }, { signal: {} }, { unknown: 1 }]) {
      const error = await thrownBy(() => client.call('m', 'same', [1], wrong as object));
      assert(error instanceof OptionError && error instanceof Error, 'an OptionError');
    }
    const error = await thrownBy(() => encode(() => 1));
    assert(error instanceof library.TermError, 'a TermError');
  });
  await check('errors of connections', async () => {
    const nobody = new Client({ url: new URL('http://127.0.0.1:1'), secret });
    const error = await thrownBy(() => nobody.call('m', 'same', [1]));
    assert(error instanceof library.ConnectError, String(error));
    await nobody.close();
    const { port } = server;
    const taken = await thrownBy(() => startClearServer(secret, {}, { host: '127.0.0.1', port }));
    assert(taken instanceof library.ListenError, String(taken));
  });
  await check('requests for other clients', () => {
    const { requestId, body } = library.encodeRequest(
      { url: server.url, secret },
      'm',
      'same',
      [1],
    );
    assert(body.length > 0);
    const response = { status: 200, headers: [], body: new ArrayBuffer(2) };
    const failure = (): unknown => library.decodeResponse({ secret, requestId }, response);
    return thrownBy(failure).then((error) => {
      assert(error instanceof library.ResponseAuthenticationError, String(error));
    });
  });
  await check('contexts of calls', async () => {
    const other = new Client({ url: server.url, secret });
    const call = other.tryCall('m', 'watched', [], { timeout: 50 });
    const result = await call;
    assert(!result.ok && result.error instanceof library.TimeoutError);
    await other.close();
  });
  await check('closing', async () => {
    await client.close();
    await server.close({ timeout: 1000 });
  });
}

import test, { type ExecutionContext } from 'ava';
import { Client, OptionError, tuple } from '../src/index.js';
import { connect, secret, serve } from './support/rpc.js';

const modules = {
  m: {
    fail: () => {
      throw new RangeError('no article');
    },
    echo: (value: unknown) => value,
    never: () => new Promise(() => {}),
  },
};

interface Failing {
  readonly client: Client;
  readonly other: Client;
  readonly gone: Client;
}

const failures: Readonly<Record<string, (clients: Failing) => Promise<unknown>>> = {
  RemoteException: ({ client }) => client.call('m', 'fail'),
  RemoteError: ({ client }) => client.call('m', 'missing'),
  ResponseAuthenticationError: ({ other }) => other.call('m', 'fail'),
  ConnectError: ({ gone }) => gone.call('m', 'fail'),
  TimeoutError: ({ client }) => client.call('m', 'never', [], { recvTimeout: 30 }),
  TermError: ({ client }) => client.call('m', 'echo', [{ a: [new Date()] }]),
  OptionError: ({ client }) => client.call('m', 'echo', 'text' as never),
  ResponseError: ({ client }) =>
    client.call('m', 'echo', ['x'.repeat(1000)], { maxEncodedResultSize: 100 }),
};

async function clients(t: ExecutionContext): Promise<Failing> {
  const server = await serve(t, modules);
  const closed = await serve(t, modules);
  await closed.close();
  const other = new Client({ url: server.url, secret: 'another secret of at least 32 bytes' });
  const gone = new Client({ url: closed.url, secret });
  t.teardown(() => Promise.all([other.close(), gone.close()]));
  return { client: connect(t, server), other, gone };
}

for (const [name, fail] of Object.entries(failures)) {
  test(`the stack of a ${name} leads to the caller`, async (t) => {
    const all = await clients(t);
    async function findOrder(): Promise<unknown> {
      return await fail(all);
    }
    async function handleRequest(): Promise<unknown> {
      return await findOrder();
    }
    const { name: seen, message, stack } = (await t.throwsAsync(handleRequest))!;
    t.is(seen, name);
    t.true(stack!.startsWith(`${name}: ${message}\n`), stack);
    t.regex(stack!, /\n {4}at .*findOrder .*\n {4}at .*handleRequest /);
    t.notRegex(stack!, /bridge|flatten/);
  });
}

test('the frames of the remote function come first', async (t) => {
  const { client } = await clients(t);
  async function caller(): Promise<void> {
    await client.call('m', 'fail');
  }
  const { stack } = (await t.throwsAsync(caller))!;
  t.regex(stack!, /^RemoteException: .*\n {4}at remote m:fail\/0 .*\n(.*\n)*? {4}at async caller /);
});

test('the stack includes Promise.all, and calls without await still get their error', async (t) => {
  const { client } = await clients(t);
  async function both(): Promise<void> {
    await Promise.all([client.call('m', 'echo', [1]), client.call('m', 'missing')]);
  }
  t.regex(
    (await t.throwsAsync(both))!.stack!,
    /at async Promise\.all .*\n(.*\n)*? {4}at async both /,
  );
  const failed = await client.tryCall('m', 'missing');
  t.is(!failed.ok && failed.error.name, 'RemoteError');
  const error = await new Promise<Error>((done) => void client.call('m', 'missing').catch(done));
  t.regex(error.stack!, /^RemoteError: the server refused/);
});

test('an invalid call is described by its type, not its content', async (t) => {
  const { client } = await clients(t);
  const mistakes: readonly (readonly [() => unknown, RegExp])[] = [
    [() => new Client('http://127.0.0.1' as never), /\{ url, secret, … \}, not a string$/],
    [() => new Client(undefined as never), /\{ url, secret, … \}, not undefined$/],
    [
      () => client.module(undefined as never),
      /^the module's name must be a string, not undefined$/,
    ],
    [() => client.call('m', 7 as never), /^the function's name must be a string, not 7$/],
    [() => client.call('m', 'f', 'password' as never), /^args must be an array .*, not a string$/],
    [() => client.call('m', 'f', tuple(1, 2)), /^args must be an array .*, not a tuple$/],
    [() => client.call('m', 'f', { a: 1 } as never), /^args must be an array .*, not an object$/],
  ];
  for (const [mistake, message] of mistakes) {
    await t.throwsAsync(async () => mistake(), { instanceOf: OptionError, message });
  }
  await t.throwsAsync(client.call('m', 'echo', [Promise.resolve(1)]), {
    message: 'args[0] is a promise (is an await missing?), which cannot be encoded as a term',
  });
});

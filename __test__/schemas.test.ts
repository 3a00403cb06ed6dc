import { type } from 'arktype';
import test, { type ExecutionContext } from 'ava';
import * as v from 'valibot';
import { z } from 'zod';
import {
  atom,
  type Client,
  expose,
  type Modules,
  OptionError,
  RemoteException,
  type StandardSchema,
} from '../src/index.js';
import { createRegistry } from '../src/server/registry.js';
import { connect, serve } from './support/rpc.js';

async function served(t: ExecutionContext, m: object): Promise<Client> {
  return connect(t, await serve(t, { m } satisfies Modules));
}

interface Issues {
  readonly issues: readonly { readonly message: string; readonly path: readonly unknown[] }[];
}

async function refused(
  t: ExecutionContext,
  client: Client,
  args: unknown[],
): Promise<RemoteException> {
  const error: unknown = await t.throwsAsync(client.call('m', 'f', args));
  if (!(error instanceof RemoteException)) throw error;
  return error;
}

const pair = {
  zod: z.tuple([z.object({ id: z.number() }), z.string().transform((text) => text.length)]),
  valibot: v.tuple([
    v.object({ id: v.number() }),
    v.pipe(
      v.string(),
      v.transform((text) => text.length),
    ),
  ]),
  arktype: type([{ id: 'number' }, type('string').pipe((text) => text.length)]),
};

for (const [library, schema] of Object.entries(pair)) {
  test(`${library}: the function gets the schema's output`, async (t) => {
    const f = expose.fn(({ id }: { id: number }, length: number) => [id, length], {
      args: schema as typeof pair.zod,
    });
    const client = await served(t, { f });
    t.deepEqual(await client.call('m', 'f', [{ id: 7, more: 1 }, 'abc']), [7, 3]);
  });

  test(`${library}: invalid arguments are an exception with issues`, async (t) => {
    const f = expose.fn(() => t.fail('the function was called'), {
      args: schema as typeof pair.zod,
    });
    const error = await refused(t, await served(t, { f }), [{ id: 'x' }, 'abc']);
    t.is(error.class, 'error');
    t.like(error.remote, { name: 'InvalidArgumentsError', code: 'invalid_arguments' });
    t.regex(error.message, /InvalidArgumentsError \[invalid_arguments\]: args\[0\]\.id: /);
    const { issues } = error.remote!.data as Issues;
    t.deepEqual(issues[0]!.path, [0, 'id']);
    t.regex(issues[0]!.message, /number/);
    t.false(error.stack!.includes('schema.ts'));
  });
}

test('an Erlang caller finds code and issues in the reason', async (t) => {
  const f = expose.fn((id: number) => id, { args: z.tuple([z.number()]) });
  const client = connect(t, await serve(t, { m: { f } }), { terms: 'exact' });
  const { reason } = await refused(t, client, ['x']);
  const [tag, fields] = reason as unknown as readonly [unknown, ReadonlyMap<unknown, unknown>];
  t.is(tag, atom('js_error'));
  t.deepEqual(fields.get(atom('code')), Buffer.from('invalid_arguments'));
  const data = fields.get(atom('data')) as ReadonlyMap<unknown, unknown>;
  const [[key, issues]] = Array.from(data) as [[Buffer, readonly unknown[]]];
  t.is(key.toString(), 'issues');
  t.is(issues.length, 1);
});

test('schemas may be asynchronous', async (t) => {
  const taken = z.string().refine(async (name) => Promise.resolve(name !== 'taken'), 'is taken');
  const f = expose.fn(async (name) => Promise.resolve(`hello, ${name}`), {
    args: z.tuple([taken]),
  });
  const client = await served(t, { f });
  t.is(await client.call('m', 'f', ['free']), 'hello, free');
  const error = await refused(t, client, ['taken']);
  t.deepEqual(error.remote!.data, { issues: [{ message: 'is taken', path: [0] }] });
});

test('the schema applies to the arguments after the context', async (t) => {
  const f = expose.fn(
    function (this: unknown, context, a) {
      return [typeof context.peer.address, a, this === undefined];
    },
    { args: z.tuple([z.string().trim()]), context: true },
  );
  t.deepEqual(await (await served(t, { f })).call('m', 'f', [' a ']), ['string', 'a', true]);
});

test('methods of instances can have schemas and keep their this', async (t) => {
  class Shop {
    readonly name = 'shop';
    find = expose.fn(
      function (this: Shop, id: number) {
        return `${this.name} ${id}`;
      },
      { args: z.tuple([z.number()]) },
    );
  }
  const client = connect(t, await serve(t, { m: expose(new Shop(), { exports: ['find'] }) }));
  t.is(await client.call('m', 'find', [3]), 'shop 3');
});

test('a schema that throws or does not return a list causes an exception', async (t) => {
  const schema = (validate: (value: unknown) => unknown): StandardSchema<[number], [number]> => ({
    '~standard': { version: 1, vendor: 'test', validate: validate as never },
  });
  for (const [validate, message] of [
    [
      () => {
        throw new RangeError('broken');
      },
      /RangeError: broken/,
    ],
    [() => Promise.reject(new RangeError('broken later')), /RangeError: broken later/],
    [() => ({ value: 5 }), /TypeError: the schema of the arguments must output a list/],
    [() => null, /TypeError/],
    [() => ({ issues: [] }), /the schema refuses them/],
    [() => ({ issues: [{ message: 'no', path: [{ key: 'a' }, Symbol('s'), 1] }] }), /args\.a/],
    [() => ({ issues: Array(1000).fill({ message: 'x'.repeat(10_000) }) }), /49 more/],
  ] as const) {
    const f = expose.fn((id: number) => id, { args: schema(validate), arity: 1 });
    t.regex((await refused(t, await served(t, { f }), [1])).message, message);
  }
});

test('the arity comes from the option, the schema or the function, in that order', (t) => {
  const arities = (fn: object): number[] =>
    createRegistry({ m: { fn } }).functions.map(({ arity }) => arity);
  const number = { zod: z.number(), valibot: v.number() };
  const rest = (...all: number[]): number => all.length;
  t.deepEqual(arities(expose.fn(rest, { args: z.tuple([number.zod, number.zod]) })), [2]);
  t.deepEqual(arities(expose.fn(rest, { args: v.strictTuple([number.valibot]) })), [1]);
  t.deepEqual(arities(expose.fn(rest, { args: type(['number', 'number']) })), [2]);
  t.deepEqual(arities(expose.fn((a = 1) => a, { args: z.tuple([number.zod]) })), [1]);
  t.deepEqual(arities(expose.fn(() => 1, { args: z.tuple([]) })), [0]);
  const several = z.tuple([number.zod, number.zod.optional()]);
  t.deepEqual(arities(expose.fn(rest as never, { args: several, arity: [1, 2] })), [1, 2]);
  const opaque = { '~standard': z.tuple([number.zod])['~standard'] };
  t.deepEqual(arities(expose.fn((a) => a, { args: opaque })), [1]);
  t.deepEqual(arities(expose.fn((_context, a) => a, { args: opaque, context: true })), [1]);
  const error = t.throws(() => expose.fn(rest, { args: opaque }), { instanceOf: OptionError });
  t.is(error!.option, 'arity');
});

test('args accepts only a schema', (t) => {
  for (const args of [1, null, {}, z, { '~standard': {} }, { '~standard': { version: 2 } }, []]) {
    const error = t.throws(() => expose.fn(() => 1, { args: args as never }), {
      instanceOf: OptionError,
    });
    t.is(error!.option, 'args');
  }
});

test('expose.fn returns an equivalent function for a schema', (t) => {
  const f = expose.fn((a: number) => a + 1, { args: z.tuple([z.number()]) });
  t.is(f(1), 2);
  t.is(f.length, 1);
});

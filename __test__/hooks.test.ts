import test from 'ava';
import {
  atom,
  call,
  decode,
  decodeResponse,
  encode,
  encodeRequest,
  fromErlang,
  isTuple,
  OptionError,
  raise,
  type Reviver,
  RemoteException,
  startClearServer,
  TermError,
  toElixir,
  toErlang,
  toTerm,
  tuple,
  tryCall,
} from '../src/index.js';
import { connect, PATIENT, secret, serve } from './support/rpc.js';

class Money {
  readonly amount: number;

  constructor(amount: number) {
    this.amount = amount;
  }

  [toTerm](): unknown {
    return tuple(atom('money'), this.amount);
  }
}

class User {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  [toTerm](): unknown {
    return new Map<unknown, unknown>([
      [atom('__struct__'), atom('Elixir.My.User')],
      [atom('name'), this.name],
      [atom('balance'), new Money(1)],
    ]);
  }
}

const users: Reviver = { struct: 'My.User', revive: ({ name }) => new User(name as string) };
const money: Reviver = { tag: 'money', length: 2, revive: ([, amount]) => new Money(amount) };
const revivers = [users, money];
const same = (value: unknown): unknown => value;

test('toTerm encodes objects at any depth', (t) => {
  t.is<symbol, symbol>(toTerm, Symbol.for('backwater.toTerm'));
  t.is(toErlang(new Money(5)), '{money,5}');
  t.is(toErlang({ a: [new Money(5)] }), '#{<<"a">> => [{money,5}]}');
  t.is(toErlang(new Map([[new Money(1), tuple(new Money(2))]])), '#{{money,1} => {{money,2}}}');
  t.is(toElixir(new User('x')), '%My.User{name: "x", balance: {:money, 1}}');
  let deep: unknown = new Money(5);
  for (let depth = 0; depth < 900; depth++) deep = [deep];
  t.is(toErlang(deep), `${'['.repeat(900)}{money,5}${']'.repeat(900)}`);
});

test('encoders take precedence over toTerm and apply to subclasses', (t) => {
  class Later extends Date {}
  const encoders = [
    { class: Date, toTerm: (date: Date) => date.getTime() },
    { class: Money, toTerm: ({ amount }: Money) => [new Date(amount)] },
  ];
  t.deepEqual(decode(encode([new Date(5), new Later(6), new Money(7)], { encoders })), [5, 6, [7]]);
  t.throws(() => encode(new Date(5)), {
    message: /^value is an instance of Date, which cannot be encoded as a term; /,
  });
});

test('toTerm of plain objects is not called', (t) => {
  const fail = (): never => t.fail() as never;
  const values = [
    { [toTerm]: fail },
    Object.assign([1], { [toTerm]: fail }),
    Object.assign(new Map(), { [toTerm]: fail }),
    Object.assign(Buffer.from('x'), { [toTerm]: fail }),
  ];
  t.deepEqual(decode(encode(values)), [{}, [1], {}, 'x']);
});

test('errors of toTerm and of its result have a path and a cause', (t) => {
  class Bad {
    [toTerm](): unknown {
      return { when: [NaN] };
    }
  }
  const error = t.throws(() => encode({ a: [1, new Bad()] }), { instanceOf: TermError })!;
  t.is(error.path, 'value.a[1][toTerm]().when[0]');
  const own = new Error('no');
  class Throwing {
    [toTerm](): unknown {
      throw own;
    }
  }
  const thrown = t.throws(() => encode({ a: new Throwing() }), { instanceOf: TermError })!;
  t.is(thrown.message, 'value.a cannot be encoded because its toTerm threw: no');
  t.is(thrown.cause, own);
  t.is(thrown.path, 'value.a');
  class Nested {
    [toTerm](): unknown {
      return encode(1);
    }
  }
  t.deepEqual(decode(encode(new Nested())), Buffer.from(encode(1)));
});

test('endless recursion of toTerm is refused', (t) => {
  class Itself {
    [toTerm](): unknown {
      return this;
    }
  }
  class Another {
    [toTerm](): unknown {
      return new Another();
    }
  }
  class Inside {
    [toTerm](): unknown {
      return [1, { next: new Inside() }];
    }
  }
  class Linked {
    constructor(readonly next: Linked | null) {}
    [toTerm](): unknown {
      return [this.next];
    }
  }
  t.throws(() => encode(new Itself()), { instanceOf: TermError, message: /contains itself/ });
  const tooDeep = {
    instanceOf: TermError,
    message: /deeper than 1000 levels \(option maxDepth\)$/,
  };
  t.throws(() => encode(new Another()), tooDeep);
  t.throws(() => encode(new Inside()), tooDeep);
  const list = (length: number): Linked | null => {
    let linked: Linked | null = null;
    for (let index = 0; index < length; index++) linked = new Linked(linked);
    return linked;
  };
  // Each is two levels: a list and the call of toTerm that returned it.
  t.notThrows(() => encode(list(500)));
  t.throws(() => encode(list(501)), { instanceOf: TermError });
  t.notThrows(() => encode(Array.from({ length: 20_001 }, () => new Money(1))));
});

test('revivers turn structs and tagged tuples into values, innermost first', (t) => {
  const user = decode(encode([new User('x'), new Money(3)]), { revivers }) as unknown as [
    User,
    Money,
  ];
  t.true(user[0] instanceof User && user[0].name === 'x');
  t.true(user[1] instanceof Money && user[1].amount === 3);
  const seen: unknown[] = [];
  const spy: Reviver = { struct: 'Elixir.My.User', revive: (fields) => seen.push(fields) };
  t.is(decode(encode(new User('y')), { revivers: [money, spy] }), 1 as never);
  t.like(seen[0], { name: 'y', __struct__: atom('Elixir.My.User') });
  t.true((seen[0] as { balance: unknown }).balance instanceof Money);
});

test('unknown structs and tuples are not revived', (t) => {
  const structs = [{ ...users, revive: () => t.fail() as never }];
  for (const text of [
    "#{'__struct__' => 'Elixir.Other', name => 1}",
    '#{\'__struct__\' => <<"Elixir.My.User">>}',
    '#{<<"__struct__">> => \'Elixir.My.User\'}',
    "#{'__struct__' => 'Elixir.My.User', 1 => 2}",
    "{'Elixir.My.User', 1}",
  ]) {
    t.deepEqual(fromErlang(text, { revivers: structs }), fromErlang(text));
  }
  const tuples = [{ ...money, revive: () => t.fail() as never }];
  for (const text of [
    '{money}',
    '{money,1,2}',
    '[money,1]',
    '{<<"money">>,1}',
    '{}',
    '[money|1]',
  ]) {
    t.deepEqual(fromErlang(text, { revivers: tuples }), fromErlang(text));
  }
});

test('structs of every size and nesting are revived', (t) => {
  const size: Reviver = { struct: 'Big', revive: (fields) => Object.keys(fields).length };
  const big = (count: number, key = 'k'): Map<unknown, unknown> =>
    new Map<unknown, unknown>([
      ...Array.from({ length: count - 1 }, (_, index): [unknown, unknown] => [
        atom(`${key}${index}`),
        index,
      ]),
      [atom('__struct__'), atom('Elixir.Big')],
    ]);
  for (const count of [1, 2, 31, 32, 33, 63, 64, 65, 66, 200]) {
    for (const key of ['k', 'ü']) {
      let term: unknown = big(count, key);
      t.is(decode(encode(term), { revivers: [size] }), count as never, `${count} ${key}`);
      for (let depth = 0; depth < 900; depth++) term = [term];
      let found = decode(encode(term), { revivers: [size] });
      for (let depth = 0; depth < 900; depth++) found = (found as unknown as never[])[0]!;
      t.is(found, count as never);
    }
  }
  const many = Array.from({ length: 10 }, () => big(3));
  t.deepEqual(decode(encode(many), { revivers: [size] }), many.map(() => 3) as never);
  t.deepEqual(
    decode(encode(many)),
    many.map(() => ({ k0: 0, k1: 1, __struct__: atom('Elixir.Big') })),
  );
  let deep: unknown = new Money(1);
  for (let depth = 0; depth < 900; depth++) deep = tuple(atom('money'), deep);
  let count = 0;
  decode(encode(deep), { revivers: [{ tag: 'money', length: 2, revive: () => ++count }] });
  t.is(count, 901);
});

test('the first matching hook is used', (t) => {
  const answers = ['first', 'second'];
  const terms = [new Date(0), fromErlang("#{'__struct__' => 'Elixir.A'}"), tuple(atom('a'))];
  const encoders = answers.map((answer) => ({ class: Date, toTerm: () => answer }));
  const list = answers.flatMap((answer): Reviver[] => [
    { struct: 'A', revive: () => answer },
    { tag: 'a', length: 1, revive: () => answer },
  ]);
  const bytes = encode(terms, { encoders, objectKeys: 'atom' });
  t.deepEqual(decode(bytes, { revivers: list }), ['first', 'first', 'first']);
});

test('revivers do not run for exact terms', (t) => {
  const bytes = encode([new User('x'), new Money(1)]);
  const exact = { terms: 'exact', revivers } as const;
  t.deepEqual(decode(bytes, exact), decode(bytes, { terms: 'exact' }));
});

test('the error names the reviver that threw, and the next decode works', (t) => {
  const own = new Error('bad user');
  const bad: Reviver[] = [
    {
      struct: 'My.User',
      revive: () => {
        throw own;
      },
    },
  ];
  const error = t.throws(() => decode(encode([1, new User('x')]), { revivers: [bad[0]!] }))!;
  t.true(error instanceof TermError);
  t.is(error.message, 'the reviver of the struct My.User threw: bad user');
  t.is(error.cause, own);
  t.deepEqual(decode(encode([1])), [1]);
});

test('a reviver may decode, encode and decode responses', async (t) => {
  const server = await serve(t, { m: { echo: same } });
  const { requestId, ...request } = encodeRequest({ url: server.url, secret }, 'm', 'echo', [
    new Money(8),
  ]);
  const response = await fetch(request.url, request);
  const { status, headers } = response;
  const body = Buffer.from(await response.arrayBuffer());
  const context = { secret, requestId };
  const nested: Reviver = {
    tag: 'money',
    length: 2,
    revive: ([, amount]) => ({
      amount: decode(encode([amount])),
      answer: decodeResponse(context, { status, headers, body }, { revivers: [money] }),
    }),
  };
  const value = { amount: [5], answer: new Money(8) };
  const bytes = encode([new Money(5), 'after']);
  t.deepEqual(decode(bytes, { revivers: [nested] }), [value, 'after'] as never);
  const client = connect(t, server, { revivers: [nested] });
  t.deepEqual(await client.call('m', 'echo', [[new Money(5), 'after']]), [value, 'after']);
  const amount = (given: typeof value): unknown => given.answer.amount;
  const nesting = await serve(t, { m: { amount } }, { revivers: [nested] });
  t.is(await connect(t, nesting).call('m', 'amount', [new Money(5)]), 8);
});

test('safe decoding accepts the atoms of revivers', (t) => {
  const encoded = (name: string): Buffer => Buffer.from([119, name.length, ...Buffer.from(name)]);
  const bytes = Buffer.concat([
    Buffer.from([131, 116, 0, 0, 0, 1]),
    encoded('__struct__'),
    encoded('Elixir.Never.Heard.Of'),
  ]);
  const options = { decodeUnsafeTerms: false };
  t.throws(() => decode(bytes, options), { instanceOf: TermError });
  const known = [{ struct: 'Never.Heard.Of', revive: () => 1 }];
  t.is(decode(bytes, { ...options, revivers: known }), 1);
});

test('calls carry objects of classes in both directions', async (t) => {
  const seen: unknown[] = [];
  const server = await serve(
    t,
    {
      bank: {
        add: (one: Money, other: Money) => {
          seen.push(one, other);
          return new User(String(one.amount + other.amount));
        },
        date: (date: unknown) => [date, new Date(5)],
        fail: (value: unknown) => raise('throw', value),
        wrong: () => new Date(),
      },
    },
    { revivers, encoders: [{ class: Date, toTerm: (date: Date) => date.getTime() }] },
  );
  const client = connect(t, server, { revivers });
  const user = await client.call<User>('bank', 'add', [new Money(1), new Money(2)]);
  t.true(user instanceof User && user.name === '3');
  t.true(seen.every((one) => one instanceof Money));
  const plain = await client.call('bank', 'add', [new Money(1), new Money(2)], { revivers: [] });
  t.like(plain, { name: '3' });
  const encoders = [{ class: Date, toTerm: () => 'date' }];
  t.deepEqual(await client.call('bank', 'date', [new Date()], { encoders }), ['date', 5]);
  await t.throwsAsync(client.call('bank', 'date', [new Date()]), { instanceOf: TermError });
  const thrown = await t.throwsAsync(client.call('bank', 'fail', [new User('z')]), {
    instanceOf: RemoteException,
  });
  t.true(thrown!.reason instanceof User);
  const money = await t.throwsAsync(client.call('bank', 'fail', [new Money(1)]), {
    instanceOf: RemoteException,
  });
  t.true(isTuple(money!.reason, atom('money'), 2));
});

test('a reviver that throws settles the call on both sides', async (t) => {
  const throwing: Reviver[] = [
    {
      tag: 'money',
      length: 2,
      revive: () => {
        throw new Error('no money');
      },
    },
  ];
  const modules = { m: { echo: same } };
  const server = await serve(t, modules, { revivers: throwing });
  const client = connect(t, server);
  const remote = await t.throwsAsync(client.call('m', 'echo', [new Money(1)]), {
    instanceOf: RemoteException,
  });
  t.regex(remote!.message, /the reviver of the tag money threw: no money/);
  t.is(await client.call('m', 'echo', [1]), 1);
  const careless = await serve(t, modules);
  const receiver = connect(t, careless, { revivers: throwing });
  await t.throwsAsync(receiver.call('m', 'echo', [new Money(1)]), { instanceOf: TermError });
  t.is(await receiver.call('m', 'echo', [1]), 1);
  t.is(receiver.stats().pending, 0);
});

test('one-shot calls and other HTTP clients support hooks', async (t) => {
  const server = await serve(t, { m: { echo: same } });
  const target = { url: server.url, secret, revivers, encoders: [], ...PATIENT };
  t.true((await call(target, 'm', 'echo', [new Money(1)])) instanceof Money);
  const tried = await tryCall({ ...target, revivers: [] }, 'm', 'echo', [new Money(1)]);
  t.true(tried.ok && isTuple(tried.value));
  const encoders = [{ class: Date, toTerm: () => new Money(8) }];
  const request = encodeRequest({ url: server.url, secret }, 'm', 'echo', [new Date()], {
    encoders,
  });
  const response = await fetch(request.url, request);
  const { status, headers } = response;
  const body = Buffer.from(await response.arrayBuffer());
  const context = { secret, requestId: request.requestId };
  const value = decodeResponse<Money>(context, { status, headers, body }, { revivers });
  t.is(value.amount, 8);
});

test('hooks cannot be passed to worker threads', async (t) => {
  const modules = new URL('./support/exported.js', import.meta.url);
  for (const options of [{ revivers }, { encoders: [{ class: Date, toTerm: String }] }]) {
    await t.throwsAsync(startClearServer(secret, modules, { port: 0, ...options }), {
      instanceOf: OptionError,
      message: /cannot cross to worker threads/,
    });
  }
});

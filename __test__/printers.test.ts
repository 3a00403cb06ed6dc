import test from 'ava';
import {
  atom,
  BitString,
  charlist,
  decode,
  encode,
  ExternalFunction,
  float,
  fromErlang,
  ImproperList,
  OptionError,
  Pid,
  Port,
  raise,
  Reference,
  TermError,
  toElixir,
  toErlang,
  tuple,
} from '../src/index.js';
import { erlangAvailable } from './interop/erlang.js';
import { funOf } from './support/arbitraries.js';
import { elixirAvailable, LinePeer, wronglyPrinted } from './support/evaluators.js';
import { sample } from './support/properties.js';
import { isWritable, writable } from './support/writable.js';

const map = (...pairs: [unknown, unknown][]): Map<unknown, unknown> => new Map(pairs);

const written: readonly (readonly [value: unknown, erlang: string, elixir: string])[] = [
  [atom('ok'), 'ok', ':ok'],
  [atom('with space'), "'with space'", ':"with space"'],
  [atom('it\'s "so"'), `'it\\'s "so"'`, `:"it's \\"so\\""`],
  [atom('end'), "'end'", ':end'],
  [atom('valid?'), "'valid?'", ':valid?'],
  [atom('node@host'), 'node@host', ':node@host'],
  [atom('Upper'), "'Upper'", ':Upper'],
  [atom('_'), "'_'", ':_'],
  [atom(''), "''", ':""'],
  [atom('+'), "'+'", ':"+"'],
  [atom('#{x}'), "'#{x}'", ':"\\#{x}"'],
  [atom('日本\n'), "'日本\\n'", ':"日本\\n"'],
  [atom('Elixir.Foo.Bar'), "'Elixir.Foo.Bar'", 'Foo.Bar'],
  [atom('Elixir'), "'Elixir'", 'Elixir'],
  [atom('Elixir.Elixir.Foo'), "'Elixir.Elixir.Foo'", ':"Elixir.Elixir.Foo"'],
  [atom('Elixir.foo'), "'Elixir.foo'", ':"Elixir.foo"'],
  [[true, false, null, undefined], '[true,false,nil,undefined]', '[true, false, nil, :undefined]'],
  [2n ** 70n, '1180591620717411303424', '1180591620717411303424'],
  [-42, '-42', '-42'],
  [1.5, '1.5', '1.5'],
  [float(1), '1.0', '1.0'],
  [-0, '-0.0', '-0.0'],
  [2 ** 53, '9007199254740992.0', '9007199254740992.0'],
  [1e21, '1.0e21', '1.0e21'],
  [1.5e-7, '1.5e-7', '1.5e-7'],
  [5e-324, '5.0e-324', '5.0e-324'],
  ['', '<<>>', '""'],
  ['text', '<<"text">>', '"text"'],
  ['grün', '<<"grün"/utf8>>', '"grün"'],
  ['a"b\\c\te\x1b#{d} # x', '<<"a\\"b\\\\c\\te\\e#{d} # x">>', '"a\\"b\\\\c\\te\\e\\#{d} # x"'],
  ['\u202e', '<<"\\x{202E}"/utf8>>', '"\\u{202E}"'],
  [Buffer.from([1, 2]), '<<1,2>>', '<<1, 2>>'],
  [Buffer.from([255]), '<<255>>', '<<255>>'],
  ['a\0', '<<97,0>>', '<<97, 0>>'],
  [new BitString(Buffer.from([0xa0]), 3), '<<5:3>>', '<<5::size(3)>>'],
  [new BitString(Buffer.from([1, 0xa0]), 3), '<<1,5:3>>', '<<1, 5::size(3)>>'],
  [[], '[]', '[]'],
  [charlist('hej'), '"hej"', '~c"hej"'],
  [charlist('a"\n#{'), '"a\\"\\n#{"', '~c"a\\"\\n\\#{"'],
  [charlist('é'), '[233]', '[233]'],
  [[97, 'b'], '[97,<<"b">>]', '[97, "b"]'],
  [[7], '[7]', '[7]'],
  [tuple(), '{}', '{}'],
  [tuple(atom('ok'), 1), '{ok,1}', '{:ok, 1}'],
  [tuple(97, 98), '{97,98}', '{97, 98}'],
  [[tuple(atom('a'), 1), tuple(null, 2)], '[{a,1},{nil,2}]', '[a: 1, nil: 2]'],
  [[tuple(atom('a b'), [])], "[{'a b',[]}]", '["a b": []]'],
  [[tuple(atom('Elixir.A'), 1)], "[{'Elixir.A',1}]", '[{A, 1}]'],
  [[tuple(atom('a'), 1), 2], '[{a,1},2]', '[{:a, 1}, 2]'],
  [[tuple(atom('a'), 1, 2)], '[{a,1,2}]', '[{:a, 1, 2}]'],
  [new ImproperList([1, 2], atom('t')), '[1,2|t]', '[1, 2 | :t]'],
  [{}, '#{}', '%{}'],
  [{ k: 1, 'l m': {} }, '#{<<"k">> => 1,<<"l m">> => #{}}', '%{"k" => 1, "l m" => %{}}'],
  [map([atom('a'), 1], [true, 2]), '#{a => 1,true => 2}', '%{a: 1, true: 2}'],
  [map([atom('a'), 1], ['b', 2]), '#{a => 1,<<"b">> => 2}', '%{:a => 1, "b" => 2}'],
  [map([atom('Elixir.A'), 1]), "#{'Elixir.A' => 1}", '%{A => 1}'],
  [
    map([atom('__struct__'), atom('Elixir.Date')], [atom('day'), 24]),
    "#{'__struct__' => 'Elixir.Date',day => 24}",
    '%Date{day: 24}',
  ],
  [
    map([atom('__struct__'), atom('user')], [atom('id'), 1]),
    "#{'__struct__' => user,id => 1}",
    '%{__struct__: :user, id: 1}',
  ],
  [new ExternalFunction(atom('m'), atom('f'), 1), 'fun m:f/1', '&:m.f/1'],
  [
    new ExternalFunction(atom('Elixir.String'), atom('valid?'), 1),
    "fun 'Elixir.String':'valid?'/1",
    '&String.valid?/1',
  ],
  [new ExternalFunction(atom('a b'), atom('+'), 2), "fun 'a b':'+'/2", '&:"a b"."+"/2'],
  [
    new ExternalFunction(atom('m'), atom('__block__'), 1),
    "fun m:'__block__'/1",
    'Function.capture(:m, :__block__, 1)',
  ],
  [new Pid(atom('n@h'), 1, 2, 3), '<0.1.2>', '#PID<0.1.2>'],
  [new Port(atom('n@h'), 5n, 1), '#Port<0.5>', '#Port<0.5>'],
  [new Reference(atom('n@h'), 1, [1, 2, 3]), '#Ref<0.3.2.1>', '#Reference<0.3.2.1>'],
  [funOf(1, 'm', []), '#Fun<m.1.2>', '#Function<1.2/1 in :m>'],
];

for (const [term, erlang, elixir] of written) {
  test(`prints ${erlang} and ${elixir}`, (t) => {
    t.is(toErlang(term), erlang);
    t.is(toElixir(term), elixir);
    const received = decode(encode(term), { terms: 'exact' });
    t.is(toErlang(received), erlang);
    t.is(toElixir(received), elixir);
  });
}

test('printers check their options', (t) => {
  const value = { key: [97, 98] };
  t.is(toErlang(value, { objectKeys: 'atom' }), '#{key => "ab"}');
  t.is(toErlang(value, { charlists: false }), '#{<<"key">> => [97,98]}');
  t.is(toElixir(value, { objectKeys: 'atom', charlists: false }), '%{key: [97, 98]}');
  const struct = { __struct__: atom('Elixir.Foo'), a: 1 };
  t.is(toElixir(struct, { objectKeys: 'atom' }), '%Foo{a: 1}');
  t.is(toElixir(struct, { objectKeys: 'atom', structs: false }), '%{__struct__: Foo, a: 1}');
  t.is(toElixir(struct), '%{"__struct__" => Foo, "a" => 1}');
  for (const print of [toErlang, toElixir]) {
    t.throws(() => print(1, { charlist: true } as never), { instanceOf: OptionError });
    t.throws(() => print(1, { charlists: 1 } as never), { instanceOf: OptionError });
  }
});

test('the error for a value that cannot be printed has its path', (t) => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  for (const print of [toErlang, toElixir]) {
    t.throws(() => print({ a: [new Date()] }), {
      instanceOf: TermError,
      message: /^value\.a\[0\] /,
    });
    t.throws(() => print(cycle), { instanceOf: TermError, message: /cyclic/ });
    t.throws(() => print(NaN), { instanceOf: TermError });
    t.throws(() => print(() => {}), { instanceOf: TermError });
  }
});

test('terms up to maxDepth and of any width are printed', (t) => {
  let deep: unknown = 1;
  for (let depth = 0; depth < 1500; depth++) deep = tuple(deep);
  t.is(toErlang(deep), `${'{'.repeat(1500)}1${'}'.repeat(1500)}`);
  t.is(toElixir(deep).length, 3001);
  t.throws(() => toErlang(tuple(deep)), {
    instanceOf: TermError,
    message: /deeper than 1500 levels/,
  });
  const wide = Array.from({ length: 300_000 }, () => atom('x'));
  t.is(toErlang(wide), `[${wide.map(() => 'x').join(',')}]`);
});

const random = (): unknown[] => sample(writable, 300);

const fixed = written
  .map(([term]) => term)
  .filter((term) => isWritable(decode(encode(term), { terms: 'exact' })));

(erlangAvailable() ? test : test.skip)(
  'Erlang evaluates what is printed to the term',
  async (t) => {
    const peer = new LinePeer('escript', 'evaluate.escript');
    t.teardown(() => peer.close());
    for (const charlists of [true, false]) {
      const print = (term: unknown): string => toErlang(term, { charlists });
      t.deepEqual(await wronglyPrinted(peer, [...fixed, ...random()], print), []);
    }
  },
);

(elixirAvailable() ? test : test.skip)(
  'Elixir evaluates what is printed to the term (skipped where elixir is not installed)',
  async (t) => {
    const peer = new LinePeer('elixir', 'evaluate.exs');
    t.teardown(() => peer.close());
    for (const charlists of [true, false]) {
      const print = (term: unknown): string => toElixir(term, { charlists, structs: false });
      t.deepEqual(await wronglyPrinted(peer, [...fixed, ...random()], print), []);
    }
    const date = map(
      [atom('__struct__'), atom('Elixir.Date')],
      [atom('calendar'), atom('Elixir.Calendar.ISO')],
      [atom('day'), 24],
      [atom('month'), 12],
      [atom('year'), 2026],
    );
    t.deepEqual(await wronglyPrinted(peer, [date], (term) => toElixir(term)), []);
  },
);

test("reasons of exceptions are printed in Erlang's syntax, with limits", (t) => {
  const messageOf = (reason: unknown): string => {
    const error = t.throws(() => raise('error', reason));
    return (error as Error).message;
  };
  t.is(messageOf(tuple(atom('badmatch'), 'x')), 'error: {badmatch,<<"x">>}');
  t.is(messageOf({ name: 'x', 'two words': 1 }), 'error: #{name => <<"x">>,\'two words\' => 1}');
  t.is(messageOf(Buffer.alloc(33, 1)), `error: <<${'1,'.repeat(32)}...>>`);
  t.is(messageOf('x'.repeat(600)).length, 507);
  t.is(messageOf(Array.from({ length: 100_000 }, () => 'x')).length <= 507, true);
  let deep: unknown = [];
  for (let depth = 0; depth < 500; depth++) deep = tuple(deep);
  t.is(messageOf(deep), `error: ${'{'.repeat(9)}...${'}'.repeat(9)}`);
  t.is(messageOf([new Date(0), NaN]), 'error: [ 1970-01-01T00:00:00.000Z, NaN ]');
});

test('large integers are printed in hexadecimal', (t) => {
  const largest = 2n ** 8192n - 1n;
  t.is(toErlang(largest), String(largest));
  t.is(toErlang(-largest - 1n), `-16#1${'0'.repeat(2048)}`);
  t.is(toElixir(largest + 1n), `0x1${'0'.repeat(2048)}`);
  t.is(fromErlang(toErlang(-largest - 1n)), -largest - 1n);
});

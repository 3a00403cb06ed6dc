import test from 'ava';
import { printTerm } from '../src/print-term.js';
import {
  atom,
  BitString,
  ExternalFunction,
  float,
  ImproperList,
  Pid,
  tuple,
} from '../src/terms/index.js';

for (const [term, text] of [
  [atom('badarith'), 'badarith'],
  [atom('Not simple'), "'Not simple'"],
  [atom("it's"), "'it\\'s'"],
  [atom(''), "''"],
  [tuple(atom('badmatch'), 5), '{badmatch,5}'],
  [tuple(), '{}'],
  [[], '[]'],
  [[1, [2, 'x']], '[1,[2,<<"x">>]]'],
  [[104, 101, 106], '"hej"'],
  [[104, 10], '"h\\n"'],
  [[104, 7], '[104,7]'],
  [new ImproperList([1, 2], atom('tail')), '[1,2|tail]'],
  ['grün "quoted"', '<<"grün \\"quoted\\""/utf8>>'],
  ['line\nbreak', '<<"line\\nbreak">>'],
  [Buffer.from('text'), '<<"text">>'],
  [Buffer.from([1, 255]), '<<1,255>>'],
  [Buffer.alloc(33), `<<${'0,'.repeat(32)}...>>`],
  [{ name: 'x', 'two words': 1 }, '#{name => <<"x">>,\'two words\' => 1}'],
  [new Map([[atom('a'), 1]]), '#{a => 1}'],
  [new Map<unknown, unknown>([['a', new Map()]]), '#{<<"a">> => #{}}'],
  [new BitString(Buffer.from([128]), 1), '<<1:1>>'],
  [1.5, '1.5'],
  [float(2), '2.0'],
  [-(2n ** 70n), '-1180591620717411303424'],
  [true, 'true'],
  [undefined, 'undefined'],
  [null, 'nil'],
  [new Pid(atom('n@h'), 1, 2, 3), '<0.1.2>'],
  [new ExternalFunction(atom('m'), atom('f'), 1), 'fun m:f/1'],
] as const) {
  test(`prints ${text}`, (t) => {
    t.is(printTerm(term), text);
  });
}

test('what is no term is shown as util.inspect does', (t) => {
  t.is(printTerm([new Date(0), NaN, Symbol('s')]), '[1970-01-01T00:00:00.000Z,NaN,Symbol(s)]');
});

test('no more than maxLength is printed, and not much more looked at', (t) => {
  t.is(printTerm('x'.repeat(14), 20), `<<"${'x'.repeat(14)}">>`);
  t.is(printTerm('x'.repeat(15), 20).length, 20);
  let looked = 0;
  const item = {
    get key() {
      looked++;
      return 'value';
    },
  };
  const wide = Array.from({ length: 100_000 }, () => item);
  t.is(printTerm(tuple(wide, new Map([[1, wide]]), { wide }), 100).length, 100);
  t.true(looked > 0 && looked < 20);
  const long = Object.defineProperty(wide.slice(), 50_000, { get: () => (looked += 1000) });
  looked = 0;
  t.is(printTerm(long, 100).length, 100);
  const keys = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, item]));
  t.is(printTerm(keys, 100).length, 100);
  t.true(looked < 20);
});

test('nesting of any depth is printed', (t) => {
  let deep: unknown = [];
  for (let depth = 0; depth < 100_000; depth++) deep = tuple(deep);
  t.is(printTerm(deep), `${'{'.repeat(9)}...${'}'.repeat(9)}`);
});

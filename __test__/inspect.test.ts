import { inspect } from 'node:util';
import test from 'ava';
import {
  atom,
  BitString,
  ExternalFunction,
  float,
  ImproperList,
  Pid,
  Port,
  Reference,
  tuple,
} from '../src/index.js';
import { funOf } from './support/arbitraries.js';

test('util.inspect prints terms as JavaScript', (t) => {
  for (const [term, text] of [
    [atom('ok'), "atom('ok')"],
    [atom("it's"), `atom("it's")`],
    [atom('a\n'), "atom('a\\n')"],
    [tuple(), 'tuple()'],
    [tuple(atom('ok'), 1, 'a'), "tuple(atom('ok'), 1, 'a')"],
    [[tuple(tuple(1))], '[ tuple(tuple(1)) ]'],
    [{ a: tuple({ b: 1 }) }, '{ a: tuple({ b: 1 }) }'],
    [float(1), 'float(1)'],
    [float(-0), 'float(-0)'],
    [new BitString(Buffer.from([128]), 1), 'new BitString(<Buffer 80>, 1)'],
    [new ImproperList([1], atom('t')), "new ImproperList([ 1 ], atom('t'))"],
    [new Pid(atom('n@h'), 1, 2, 3), "new Pid(atom('n@h'), 1, 2, 3)"],
    [new Port(atom('n@h'), 1n, 3), "new Port(atom('n@h'), 1n, 3)"],
    [new Reference(atom('n@h'), 1, [2, 3]), "new Reference(atom('n@h'), 1, [ 2, 3 ])"],
    [
      new ExternalFunction(atom('m'), atom('f'), 1),
      "new ExternalFunction(atom('m'), atom('f'), 1)",
    ],
    [funOf(1, 'm', []), '#Fun<m.7/1>'],
  ] as const) {
    t.is(inspect(term), text);
  }
});

test('tuples count towards the depth', (t) => {
  const nested = tuple(tuple(tuple(tuple(1))));
  t.is(inspect(nested), 'tuple(tuple(tuple([tuple])))');
  t.is(inspect(nested, { depth: 0 }), 'tuple([tuple])');
  t.is(inspect({ a: { b: { c: tuple(1) } } }, { depth: 1 }), '{ a: { b: [Object] } }');
  t.is(inspect([[tuple([1])]]), '[ [ tuple([Array]) ] ]');
  t.is(inspect(nested, { depth: null }), 'tuple(tuple(tuple(tuple(1))))');
  t.is(inspect(nested, { depth: Infinity }), 'tuple(tuple(tuple(tuple(1))))');
});

test('colors follow util.inspect', (t) => {
  t.is(inspect(atom('ok'), { colors: true }), "\x1b[32matom('ok')\x1b[39m");
  t.is(inspect(float(1), { colors: true }), '\x1b[33mfloat(1)\x1b[39m');
  t.is(inspect(tuple(1), { colors: true }), 'tuple(\x1b[33m1\x1b[39m)');
});

test('long terms are wrapped and truncated', (t) => {
  t.is(
    inspect(tuple(atom('ok'), 'x'.repeat(40), [1]), { breakLength: 40 }),
    `tuple(\n  atom('ok'),\n  '${'x'.repeat(40)}',\n  [ 1 ]\n)`,
  );
  t.false(inspect(tuple(...Array<number>(90).fill(1)), { breakLength: Infinity }).includes('\n'));
  t.is(inspect(tuple(1, 2, 3), { maxArrayLength: 1 }), 'tuple(1, ... 2 more items)');
  t.is(inspect(tuple(1, 2), { maxArrayLength: 1 }), 'tuple(1, ... 1 more item)');
  t.true(inspect(tuple(...Array<number>(1000).fill(1))).endsWith('... 900 more items\n)'));
});

test('cyclic and very deep terms can be printed', (t) => {
  const cycle: unknown[] = tuple(1, []) as never;
  (cycle[1] as unknown[]).push(cycle);
  t.is(inspect(cycle, { depth: null }), 'tuple(1, [ [Circular] ])');
  t.is(inspect(cycle, { depth: null }), 'tuple(1, [ [Circular] ])');
  const twice = tuple(1);
  t.is(inspect(tuple(twice, twice)), 'tuple(tuple(1), tuple(1))');
  let deep: unknown = 1;
  for (let depth = 0; depth < 20_000; depth++) deep = tuple(deep);
  t.true(inspect(deep, { depth: null }).includes('[tuple: nested too deeply to be shown]'));
});

import test from 'ava';
import { expectTypeOf } from 'expect-type';
import {
  type Atom,
  atom,
  call,
  Client,
  charlistToString,
  type DecodeOptions,
  decode,
  encode,
  expose,
  type Float,
  fromErlang,
  type ImproperList,
  isTuple,
  type Pid,
  startClearServer,
  type Term,
  toElixir,
  toErlang,
  type Tuple,
  tuple,
} from '../src/index.js';
import * as terms from '../src/terms.js';

// What users write, and what must not compile. Nothing of this is run: the compiler checks it.

const client = undefined as unknown as Client;
const term = undefined as unknown as Term;

export function tuples(): void {
  expectTypeOf(tuple()).toEqualTypeOf<Tuple<[]>>();
  expectTypeOf(tuple(atom('ok'), 1)).toEqualTypeOf<Tuple<[Atom, number]>>();
  const pair: Tuple<[Atom, string]> = tuple(atom('ok'), 'x');
  expectTypeOf(pair[1]).toBeString();
  expectTypeOf(pair.length).toEqualTypeOf<2>();
  const [tag, text] = pair;
  expectTypeOf(tag).toEqualTypeOf<Atom>();
  expectTypeOf(text).toBeString();
  const asTerm: Term = pair;
  expectTypeOf(asTerm).toExtend<Term>();
  const list: readonly unknown[] = pair;
  expectTypeOf(list).toExtend<readonly unknown[]>();
  // @ts-expect-error: a list is no tuple
  const wrong: Tuple<[Atom, string]> = [atom('ok'), 'x'];
  // @ts-expect-error: a number is no string
  const other: Tuple<[Atom, string]> = tuple(atom('ok'), 1);
  // @ts-expect-error: tuples do not change
  pair[1] = 'y';
  // @ts-expect-error: tuples do not grow
  pair.push('y');
  void [wrong, other];
}

export function narrowing(): void {
  if (isTuple(term)) expectTypeOf(term).toExtend<Tuple>();
  if (isTuple(term, atom('ok'), 2)) {
    expectTypeOf(term.length).toEqualTypeOf<2>();
    expectTypeOf(term[0]).toExtend<Atom>();
    expectTypeOf(term[1]).toExtend<Term>();
    const [tag, value] = term;
    expectTypeOf(tag).toExtend<Atom>();
    expectTypeOf(value).toExtend<Term>();
  } else if (isTuple(term, atom('error'), 3)) {
    expectTypeOf(term[2]).toExtend<Term>();
  } else {
    expectTypeOf(term).toEqualTypeOf<Term>();
  }
  const anything: unknown = term;
  if (isTuple(anything, atom('ok'), 2)) expectTypeOf(anything[1]).toBeUnknown();
  if (isTuple(anything, atom('rec'), 9)) expectTypeOf(anything[8]).toBeUnknown();
  if (isTuple(anything, atom('ok'))) expectTypeOf(anything[0]).toEqualTypeOf<Atom>();
  // @ts-expect-error: the length is a number
  isTuple(term, atom('ok'), '2');
}

export function unions(result: Tuple<[Atom, number]> | Tuple<[Atom, string, Atom]> | Atom): void {
  if (isTuple(result, atom('ok'), 2)) expectTypeOf(result[1]).toBeNumber();
  // It may be a pair still, of another tag.
  else if (isTuple(result, atom('other'), 2)) expectTypeOf(result[1]).toBeNumber();
  else if (isTuple(result, atom('error'), 3)) expectTypeOf(result[1]).toBeString();
}

export function instances(): void {
  expectTypeOf(atom('ok')).toEqualTypeOf<Atom>();
  expectTypeOf(
    new Map([
      [atom('a'), 1],
      [atom('b'), 2],
    ]),
  ).toEqualTypeOf<Map<Atom, number>>();
  expectTypeOf<Float | ImproperList | Pid | null | undefined | bigint>().toExtend<Term>();
  expectTypeOf({ a: [1, 'x', atom('ok')] }).toExtend<Term>();
  // @ts-expect-error: a Date is no term
  const date: Term = new Date();
  // @ts-expect-error: atoms are made by atom
  new terms.Atom('ok');
  // @ts-expect-error: a name is a string
  atom(1);
  void date;
}

export function codec(): void {
  expectTypeOf(decode(Buffer.of(131, 97, 1))).toEqualTypeOf<Term>();
  expectTypeOf(encode({ any: 'value' })).toEqualTypeOf<Buffer>();
  expectTypeOf(fromErlang('ok')).toEqualTypeOf<Term>();
  expectTypeOf(toErlang(1)).toBeString();
  expectTypeOf(toElixir(1, { structs: false })).toBeString();
  expectTypeOf<DecodeOptions['terms']>().toEqualTypeOf<'js' | 'exact' | undefined>();
  expectTypeOf(charlistToString(term)).toBeString();
  // @ts-expect-error: there is no such mode
  decode(Buffer.of(131, 97, 1), { terms: 'loose' });
  // @ts-expect-error: there is no such option
  encode(1, { objectkeys: 'atom' });
  // @ts-expect-error: bytes are no string
  decode('text');
  // @ts-expect-error: Erlang has no structs
  toErlang(1, { structs: false });
  // @ts-expect-error: text is a string
  fromErlang(Buffer.from('ok'));
}

export async function calls(): Promise<void> {
  expectTypeOf(await client.call('m', 'f', [1])).toEqualTypeOf<Term>();
  expectTypeOf(await client.call<number>('m', 'f', [1])).toBeNumber();
  const found = await client.call<Tuple<[Atom, string]>>('m', 'f');
  expectTypeOf(found[1]).toBeString();
  const tried = await client.tryCall<number>('m', 'f');
  if (tried.ok) expectTypeOf(tried.value).toBeNumber();
  else expectTypeOf(tried.error).toExtend<Error>();
  const strings = client.module<{ to_upper(text: string): string }>('string');
  expectTypeOf(await strings.to_upper('x')).toBeString();
  // @ts-expect-error: there is no such function
  await strings.to_lower('x');
  // @ts-expect-error: the argument is a string
  await strings.to_upper(1);
  // @ts-expect-error: args are an array
  await client.call('m', 'f', 1);
  // @ts-expect-error: a secret is needed
  await call({ url: 'localhost' }, 'm', 'f');
  // @ts-expect-error: times are numbers
  await client.call('m', 'f', [], { recvTimeout: '1s' });
}

export async function servers(): Promise<void> {
  const math = { add: (a: number, b: number) => a + b };
  const server = await startClearServer('secret', { math: expose(math, { exports: ['add'] }) });
  expectTypeOf(server.port).toBeNumber();
  expose.fn((...numbers) => numbers.length, { arity: [1, 2] });
  // @ts-expect-error: there is no such function
  expose(math, { exports: ['sub'] });
  // @ts-expect-error: there is no such option
  await startClearServer('secret', {}, { prot: 1 });
  await server.close();
}

test('types are what the compiler has checked', (t) => {
  t.pass();
});

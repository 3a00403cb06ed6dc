import test from 'ava';
import fc from 'fast-check';
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
  TermError,
  toErlang,
  tuple,
} from '../src/index.js';
import { decodeInErlang, erlangAvailable } from './interop/erlang.js';
import { LinePeer } from './support/evaluators.js';
import { same } from './support/images.js';
import { hold, sample } from './support/properties.js';
import { isWritable, writable } from './support/writable.js';

const withErlang = erlangAvailable() ? test : test.skip;
const bytes = (...values: number[]): Buffer => Buffer.from(values);

for (const [text, value] of [
  ['ok', atom('ok')],
  ["'two words'", atom('two words')],
  ["'it\\'s \\x{65e5}\\n'", atom("it's 日\n")],
  ["''", atom('')],
  ['éa_1@B', atom('éa_1@B')],
  ["'end'", atom('end')],
  // As printed by OTP before 27.
  ['{maybe, else}', tuple(atom('maybe'), atom('else'))],
  ['true', true],
  ['nil', null],
  ['undefined', undefined],
  ['42', 42],
  ['- 42', -42],
  ['+42', 42],
  ['-0', 0],
  ['1_000_000', 1_000_000],
  ['16#Ff', 255],
  ['-2#1010', -10],
  ['36#zz_zz', 1_679_615],
  ['9007199254740991', 2 ** 53 - 1],
  ['9007199254740992', 2n ** 53n],
  ['16#ffffffffffffffffffffffff', 2n ** 96n - 1n],
  ['6#1234554321', parseInt('1234554321', 6)],
  ['$a', 97],
  ['$ ', 32],
  ['$\\n', 10],
  ['$\\s', 32],
  ['$\\\\', 92],
  ['$\\x{1F44D}', 0x1f44d],
  ['$\\x41', 65],
  ['$\\101', 65],
  ['$\\^A', 1],
  ['$👍', 0x1f44d],
  ['1.5', 1.5],
  ['-1.5e-3', -0.0015],
  ['1.0E+3', 1000],
  ['1_0.2_5', 10.25],
  ['-0.0', -0],
  ['""', []],
  ['"hej"', charlist('hej')],
  ['"a" "b"\n"c"', charlist('abc')],
  ['"\\"\\\\\\e\\d\\z日"', [34, 92, 27, 127, 122, 0x65e5]],
  ['<<>>', ''],
  ['<<"text">>', 'text'],
  ['<<"grün"/utf8>>', 'grün'],
  ['<<"grün">>', Buffer.from('grün', 'latin1')],
  ['<<"a" "b", $c>>', 'abc'],
  ['<<1,2,255>>', bytes(1, 2, 255)],
  ['<<256, -1>>', bytes(0, 255)],
  ['<<5:3>>', new BitString(bytes(0xa0), 3)],
  ['<<1,5:3>>', new BitString(bytes(1, 0xa0), 3)],
  ['<<1:1,0:7,1>>', bytes(128, 1)],
  ['<<5:3,"ab">>', new BitString(bytes(0xac, 0x2c, 0x40), 3)],
  ['<<258:16, 258:16/little>>', '\x01\x02\x02\x01'],
  ['<<16#abc:12/little>>', new BitString(bytes(0xbc, 0xa0), 4)],
  ['<<1:2/unit:8>>', '\0\x01'],
  ['<<1.5/float, -1.5:32/float-little>>', bytes(63, 248, 0, 0, 0, 0, 0, 0, 0, 0, 192, 191)],
  ['<<1/float>>', bytes(63, 240, 0, 0, 0, 0, 0, 0)],
  ['<<"é"/utf16, "é"/utf16-little, "é"/utf32>>', bytes(0, 0xe9, 0xe9, 0, 0, 0, 0, 0xe9)],
  ['<<16#1F44D/utf8>>', '👍'],
  ['<<"ab":16>>', '\0a\0b'],
  ['<<1:0>>', ''],
  ['[]', []],
  ['[1, [2, []], {}]', [1, [2, []], tuple()]],
  ['[1,2|x]', new ImproperList([1, 2], atom('x'))],
  ['[1|[2|[3|[]]]]', [1, 2, 3]],
  ['[1|[2|x]]', new ImproperList([1, 2], atom('x'))],
  ['[1|"ab"]', [1, 97, 98]],
  ['[1|{}]', new ImproperList([1], tuple())],
  ['{ok, {a, 1}}', tuple(atom('ok'), tuple(atom('a'), 1))],
  ['#{}', {}],
  ['#{a => 1, b => #{<<"c">> => 2}}', { a: 1, b: { c: 2 } }],
  ['# {1 => 2}', new Map([[1, 2]])],
  ['fun lists:map/2', new ExternalFunction(atom('lists'), atom('map'), 2)],
  ["fun 'A b':'end'/0", new ExternalFunction(atom('A b'), atom('end'), 0)],
  // OTP prints it but cannot read it.
  ['fun fun:end/0', new ExternalFunction(atom('fun'), atom('end'), 0)],
  ['% first\n ok % second\n . % third', atom('ok')],
  ['\u{a0}\t\r\n{}.', tuple()],
] as const) {
  test(`reads ${JSON.stringify(text)}`, (t) => {
    const read = fromErlang(text);
    t.true(same(read, value), toErlang(read));
    if (!text.includes('.')) t.true(same(fromErlang(`${text}\n.`), read));
  });
}

test('fromErlang returns the same values as decode', (t) => {
  const text = '{1.0, true, <<"x">>, #{a => nil}}';
  const exact = fromErlang(text, { terms: 'exact' });
  const key = atom('a');
  t.true(
    same(exact, tuple(float(1), atom('true'), Buffer.from('x'), new Map([[key, atom('nil')]]))),
  );
  t.true(same(fromErlang(text), tuple(1, true, 'x', { a: null })));
  t.true(same(fromErlang('<<"x">>', { binaries: 'buffer' }), Buffer.from('x')));
  t.throws(() => fromErlang('<<255>>', { binaries: 'string' }), { instanceOf: TermError });
  t.throws(() => fromErlang('1', { term: 'exact' } as never), { instanceOf: OptionError });
  t.throws(() => fromErlang(1 as never), { instanceOf: TermError, message: /string, not 1/ });
  const options = { decodeUnsafeTerms: false };
  t.is(fromErlang('ok', options), atom('ok'));
  t.throws(() => fromErlang('never_heard_of_this_before', options), { instanceOf: TermError });
});

for (const [text, place, message] of [
  ['', '1:1', 'expected a term, but the text ends'],
  ['  % nothing', '1:12', 'expected a term, but the text ends'],
  ['{a,', '1:4', 'expected a term in the tuple that begins in line 1, column 1, but the text ends'],
  ['{a, [b}', '1:7', "expected ',', '|' or ']', but found '}'"],
  ['{a}}', '1:4', "expected the end of the term, but found '}'"],
  ['{a,}', '1:4', "expected a term, but found '}'"],
  ['[1 2]', '1:4', "expected ',', '|' or ']', but found '2'"],
  ['[1|2,3]', '1:5', "expected ']', but found ','"],
  ['[|1]', '1:2', "expected a term, but found '|'"],
  ['\n {a,\r\n  B}', '3:3', "'B' is a variable, not a term"],
  ['{👍, X}', '1:2', "expected a term, but found '👍'"],
  ["['👍', X]", '1:7', "'X' is a variable, not a term"],
  ['#{a}', '1:4', "expected '=>' after a key, but found '}'"],
  ['#{a := 1}', '1:5', "expected '=>' after a key, but found ':='"],
  ['#{a => 1, a => 2}', '1:13', 'the map already has this key'],
  ['#rec{}', '1:1', "expected a term, but found '#'"],
  ['<0.1.2>', '1:1', 'a pid cannot be read back because its printed form is incomplete'],
  ['[#Ref<0.1.2.3>]', '1:2', /a reference cannot be read back/],
  ['#Port<0.1>', '1:1', /a port cannot be read back/],
  ['#Fun<m.1.2>', '1:1', /a closure cannot be read back/],
  ['1 + 2', '1:3', "expected the end of the term, but found '+'"],
  ['--1', '1:2', "expected a number after the sign, but found '-'"],
  ['-a', '1:2', "expected a number after the sign, but found 'a'"],
  ['end', '1:1', /expected a term \(the atom 'end' needs quotes\)/],
  ['fun() -> ok end', '1:4', /expected an atom as the module after fun/],
  ['fun a/1', '1:6', "expected ':' after the module, but found '/'"],
  ['fun a:b', '1:8', "expected '/' and the arity, but the text ends"],
  ['fun a:b/256', '1:9', "expected an arity from 0 to 255, but found '256'"],
  ['"abc', '1:1', 'expected " at the end of the string, but the text ends'],
  ["{'abc", '1:2', "expected ' at the end of the atom, but the text ends"],
  ['"""\nabc\n"""', '1:1', 'triple-quoted strings are not supported'],
  ['"\\x{110000}"', '1:2', 'expected two hexadecimal digits, or a character in braces'],
  ['"\\x{d800}"', '1:2', 'expected two hexadecimal digits, or a character in braces'],
  ['$', '1:1', 'expected a character, but the text ends'],
  ['1__0', '1:1', 'an underscore must be between two digits'],
  ['1_', '1:1', 'an underscore must be between two digits'],
  ['1#0', '1:1', 'the base of a number must be from 2 to 36'],
  ['37#0', '1:1', 'the base of a number must be from 2 to 36'],
  ['8#18', '1:1', "expected digits of base 8, but found '8'"],
  ['16#', '1:1', 'expected digits of base 16, but found none'],
  ['1.0e400', '1:1', 'a float is out of range'],
  ['<<1', '1:4', "expected ',' or '>>' after a segment of a binary, but the text ends"],
  ['<<a>>', '1:3', /expected a number, a character or a string in a binary/],
  ['<<1.5>>', '1:3', "a float in a binary needs the type '/float'"],
  ['<<1:8/binary>>', '1:7', /expected integer, float, utf8/],
  ['<<1.5:16/float>>', '1:3', 'a float in a binary must have 32 or 64 bits'],
  ['<<1:8/utf8>>', '1:11', /no size for a segment/],
  ['<<16#d800/utf8>>', '1:3', 'expected the code point of a character'],
  ['ok\ud800', '1:3', 'a lone surrogate is not a character'],
  [`'${'a'.repeat(256)}'`, '1:1', 'an atom can have at most 255 characters'],
] as const) {
  test(`refuses ${JSON.stringify(text.slice(0, 40))}`, (t) => {
    const error = t.throws(() => fromErlang(text), { instanceOf: TermError })!;
    t.is(`${error.line}:${error.column}`, place);
    const expected = `line ${error.line}, column ${error.column}: `;
    t.true(error.message.startsWith(expected));
    if (typeof message === 'string') t.is(error.message.slice(expected.length), message);
    else t.regex(error.message, message);
  });
}

test('1 and 1.0 are different keys', (t) => {
  const map = fromErlang('#{1 => a, 1.0 => b}', { terms: 'exact' }) as Map<unknown, unknown>;
  t.is(map.size, 2);
});

test('duplicate compound keys are refused', (t) => {
  for (const text of [
    '#{{1} => 1, {1} => 2}',
    '#{"a" => 1, [97] => 2}',
    '#{#{a => 1, b => 2} => 1, #{b => 2, a => 1} => 2}',
  ]) {
    t.throws(() => fromErlang(text), { instanceOf: TermError, message: /twice|already has/ });
  }
});

test('maxDepth limits nesting', (t) => {
  const nested = (depth: number): string => `${'{'.repeat(depth)}${'}'.repeat(depth)}`;
  t.notThrows(() => fromErlang(nested(3), { maxDepth: 3 }));
  const error = t.throws(() => fromErlang(nested(5), { maxDepth: 3 }), { instanceOf: TermError });
  t.regex(error!.message, /deeper than 3 levels \(option maxDepth\)/);
  t.notThrows(() => fromErlang(nested(1000)));
  t.throws(() => fromErlang(nested(1002)), { instanceOf: TermError, message: /maxDepth/ });
});

test('sizes of segments cannot exhaust memory', (t) => {
  const most = 1024 * 1024 + 8 * '<<0:8388608,0:999>>'.length;
  const fits = fromErlang(`<<0:8388608,0:${(most - 1_048_576) * 8 - 8}>>`) as string;
  t.true(fits.length > 1_048_576 && fits.length <= most);
  for (const text of [
    '<<0:99999999999>>',
    '<<0:8388608,0:4000>>',
    '<<0:9007199254740991/unit:9>>',
  ]) {
    const error = t.throws(() => fromErlang(text), { instanceOf: TermError });
    t.regex(error!.message, /the binaries are too large/);
  }
});

test('long texts of every kind are read', (t) => {
  for (const text of [
    `${'[1|'.repeat(1000)}[]${']'.repeat(1000)}`,
    `"${'\\n'.repeat(500_000)}"`,
    '%\n'.repeat(200_000) + 'a',
    '9'.repeat(1_200_000),
    `36#${'z'.repeat(100_000)}`,
    `<<${'1:3,'.repeat(50_000)}1>>`,
    `{'${'\\x{65e5}'.repeat(200)}'}`,
  ]) {
    t.notThrows(() => fromErlang(text));
  }
  for (const text of [
    '9'.repeat(1_300_000),
    '{'.repeat(500_000),
    '"'.repeat(500_001),
    '$'.repeat(500_000),
    '<<'.repeat(500_000),
    `${'\n'.repeat(500_000)}!`,
    '#{a=>'.repeat(200_000),
  ]) {
    t.throws(() => fromErlang(text, { maxDepth: 1500 }), { instanceOf: TermError });
  }
});

test('fromErlang reverses printing', (t) => {
  hold(
    fc.property(writable, fc.boolean(), (term, charlists) => {
      const exact = decode(encode(term), { terms: 'exact' });
      return (
        same(fromErlang(toErlang(term, { charlists }), { terms: 'exact' }), exact) &&
        same(fromErlang(toErlang(term)), decode(encode(term)))
      );
    }),
  );
  t.pass();
});

withErlang("fromErlang reverses Erlang's printing", async (t) => {
  // Erlang prints function names as Latin-1.
  const terms = sample(writable, 300).filter(
    (term) => !/fun [^\n]*([^\x20-\x7e]|\\x\{)/.test(toErlang(term)),
  );
  const printed = await decodeInErlang(terms.map((term) => encode(term)));
  for (const [index, answer] of printed.entries()) {
    if (!('ok' in answer)) return t.fail(answer.error);
    const exact = decode(encode(terms[index]), { terms: 'exact' });
    t.true(same(fromErlang(answer.printed, { terms: 'exact' }), exact), answer.printed);
  }
});

const damaged = fc
  .tuple(
    fc.oneof(
      writable.map((term) => toErlang(term)),
      fc.constantFrom(
        '<<1:3,-5:12/little,"é"/utf8,"a":16,1.5:32/float,16#1F44D/utf16-little>>',
        "{'a\\x{65e5}\\n\\^A\\101',$\\s,$a,-1_000,36#zZ,1.5e-3}",
        '#{a => [1,2|x],"k" => fun m:f/1,<<>> => {}} % end',
      ),
    ),
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.nat({ max: 2 }),
        fc.constantFrom(...`[]{}<>|,:/#"'$\\ 1aA_-.=%\n`, '=>', '<<', '>>', '/utf8', '16#', ':3'),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([text, changes]) =>
    changes.reduce((changed, [place, removed, added]) => {
      const at = place % (changed.length + 1);
      return `${changed.slice(0, at)}${added}${changed.slice(at + removed)}`;
    }, text),
  )
  .filter((text) => text.isWellFormed());

test('an arity cannot be a character', (t) => {
  t.deepEqual(fromErlang('fun m:f/2'), new ExternalFunction(atom('m'), atom('f'), 2));
  t.throws(() => fromErlang('fun m:f/$2'), { instanceOf: TermError, message: /arity/ });
});

test('damaged texts are read or refused with a valid position', (t) => {
  hold(
    fc.property(damaged, (text) => {
      try {
        fromErlang(text);
        return true;
      } catch (error) {
        if (!(error instanceof TermError)) throw error;
        if (error.line === undefined) return /twice/.test(error.message);
        const line = text.split(/\r\n|\n|\r/)[error.line - 1];
        return line !== undefined && error.column! <= Array.from(line).length + 1;
      }
    }),
  );
  t.pass();
});

withErlang('damaged texts that can be read mean the same to Erlang', async (t) => {
  const peer = new LinePeer('escript', 'evaluate.escript');
  t.teardown(() => peer.close());
  const read: { text: string; encoded: Buffer }[] = [];
  for (const text of sample(damaged, 2000)) {
    try {
      const term = fromErlang(text, { terms: 'exact' });
      if (isWritable(term)) read.push({ text, encoded: encode(term) });
    } catch (error) {
      if (!(error instanceof TermError)) throw error;
    }
  }
  t.true(read.length > 20);
  const answers = await peer.ask(
    read.map(({ text, encoded }) => {
      return `${Buffer.from(`${withoutEnd(text, encoded)}\n`).toString('base64')} ${encoded.toString('base64')}`;
    }),
  );
  const different = answers.flatMap((answer, index) =>
    answer === 'same'
      ? []
      : [{ ...read[index]!, answer: Buffer.from(answer, 'base64').toString() }],
  );
  t.deepEqual(different, []);
});

/** The evaluator adds the full stop itself. */
function withoutEnd(text: string, encoded: Buffer): string {
  const bare = text.replace(/\.\s*(%.*\s*)*$/, '');
  try {
    return encode(fromErlang(bare, { terms: 'exact' })).equals(encoded) ? bare : text;
  } catch {
    return text;
  }
}

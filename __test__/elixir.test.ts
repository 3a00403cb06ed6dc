import { inspect, isDeepStrictEqual } from 'node:util';
import test from 'ava';
import {
  atom,
  decode,
  elixir,
  encode,
  fromErlang,
  OptionError,
  TermError,
  toElixir,
  tuple,
} from '../src/index.js';
import { elixirAvailable, LinePeer } from './support/evaluators.js';

const withElixir = elixirAvailable() ? test : test.skip;

const roundTrip = (value: unknown, options = elixir()): unknown =>
  decode(encode(value, options), options);

test('values that Elixir has structs for come back as themselves', (t) => {
  for (const value of [
    new Date(0),
    new Date('2026-11-24T21:40:50.123Z'),
    new Date('0001-01-01T00:00:00Z'),
    new Date('-000044-03-15T12:00:00.001Z'),
    new Set(),
    new Set(['a', 1, null]),
    new Set(['a', 'b']),
    new Set([atom('a'), atom('b')]),
    new Set([atom('a'), true, null, undefined]),
    new Set([new Set([1]), new Set([])]),
    new Set([[], tuple(1)]),
    new URL('https://user:pass@example.org:8443/a/b?c=d&e#f'),
    new URL('http://[::1]/'),
    new URL('mailto:someone@example.org'),
    new URL('https://example.org'),
  ]) {
    t.deepEqual(roundTrip(value), value);
    t.deepEqual(roundTrip({ x: [value] }), { x: [value] });
  }
  const large = new Set(Array.from({ length: 1000 }, (_, index) => atom(`atom${index}`)));
  t.deepEqual(roundTrip(large), large);
});

test('dates are sent as what is asked for', (t) => {
  const date = new Date('2026-02-03T04:05:06.007Z');
  const naive =
    'calendar: Calendar.ISO, year: 2026, month: 2, day: 3, hour: 4, minute: 5, second: 6, ' +
    'microsecond: {7000, 3}';
  const utc = 'time_zone: "Etc/UTC", zone_abbr: "UTC", utc_offset: 0, std_offset: 0';
  const day = '%Date{calendar: Calendar.ISO, year: 2026, month: 2, day: 3}';
  t.is(toElixir(date, elixir()), `%DateTime{${naive}, ${utc}}`);
  t.is(toElixir(date, elixir({ encodeDates: 'NaiveDateTime' })), `%NaiveDateTime{${naive}}`);
  t.is(toElixir(date, elixir({ encodeDates: 'Date' })), day);
  t.is(toElixir(elixir.date(date)), day);
  t.is(toElixir(elixir.naiveDateTime(date)), `%NaiveDateTime{${naive}}`);
  t.is(toElixir(elixir.dateTime(date)), `%DateTime{${naive}, ${utc}}`);
  t.throws(() => encode({ at: new Date(NaN) }, elixir()), {
    instanceOf: TermError,
    message: /^value\.at .*an invalid date is no term/,
  });
});

test('years are those that Elixir knows', (t) => {
  const first = new Date('-009999-01-01T00:00:00Z');
  const last = new Date('9999-12-31T23:59:59.999Z');
  for (const encodeDates of ['DateTime', 'NaiveDateTime'] as const) {
    t.deepEqual(roundTrip([first, last], elixir({ encodeDates })), [first, last]);
  }
  for (const beyond of [new Date(first.getTime() - 1), new Date(last.getTime() + 1)]) {
    for (const encodeDates of ['DateTime', 'NaiveDateTime', 'Date'] as const) {
      t.throws(() => encode({ at: beyond }, elixir({ encodeDates })), {
        instanceOf: TermError,
        message:
          /^value\.at cannot be encoded because its toTerm threw: the year -?10000 is beyond those of Elixir/,
      });
    }
  }
});

test('sets are sent as Elixir 1.15 has them, or 1.14', (t) => {
  const set = new Set([1]);
  t.is(toElixir(set, elixir()), '%MapSet{map: %{1 => []}}');
  t.is(toElixir(set, elixir({ mapSetVersion: 2 })), '%MapSet{map: %{1 => []}, version: 2}');
});

test('decimals', (t) => {
  for (const [text, sign, coef, exp, printed] of [
    ['1.50', 1, 150, -2, '1.50'],
    ['-1.50', -1, 150, -2, '-1.50'],
    ['+42', 1, 42, 0, '42'],
    ['0', 1, 0, 0, '0'],
    ['0.00', 1, 0, -2, '0.00'],
    ['0.001', 1, 1, -3, '0.001'],
    ['1e3', 1, 1, 3, '1E+3'],
    ['12E+3', 1, 12, 3, '1.2E+4'],
    ['0.00000012', 1, 12, -8, '1.2E-7'],
    ['123456789012345678901234567890.5', 1, 1234567890123456789012345678905n, -1, undefined],
    ['NaN', 1, atom('NaN'), 0, 'NaN'],
    ['-Infinity', -1, atom('inf'), 0, '-Infinity'],
    ['inf', 1, atom('inf'), 0, 'Infinity'],
  ] as const) {
    const fields = { __struct__: atom('Elixir.Decimal'), sign, coef, exp };
    t.deepEqual(decode(encode(elixir.decimal(text))) as object, fields);
    t.is(roundTrip(elixir.decimal(text)), printed ?? text);
  }
  for (const text of [
    '',
    '1.',
    '.5',
    '1e',
    '1_000',
    '0x1',
    '1e9999999999',
    '9'.repeat(10_001),
    'x',
  ]) {
    t.throws(() => elixir.decimal(text), { instanceOf: OptionError });
  }
});

test('what no value can hold stays a map', (t) => {
  for (const fields of [
    "'__struct__' => 'Elixir.Date', calendar => 'Elixir.Cldr.Calendar', year => 2026, month => 1, day => 1",
    "'__struct__' => 'Elixir.Date', calendar => 'Elixir.Calendar.ISO', year => 2026, month => 2, day => 30",
    "'__struct__' => 'Elixir.Date', calendar => 'Elixir.Calendar.ISO', year => 2026, month => 13, day => 1",
    "'__struct__' => 'Elixir.Date', calendar => 'Elixir.Calendar.ISO', year => 1.0e300, month => 1, day => 1",
    "'__struct__' => 'Elixir.Date'",
    "'__struct__' => 'Elixir.NaiveDateTime', calendar => 'Elixir.Calendar.ISO', year => 2026, month => 1, day => 1",
    "'__struct__' => 'Elixir.MapSet', map => 1",
    "'__struct__' => 'Elixir.MapSet', map => [1]",
    // A URL of these would have another host, path or port.
    '\'__struct__\' => \'Elixir.URI\', scheme => <<"https">>, path => <<"/host/path">>',
    '\'__struct__\' => \'Elixir.URI\', scheme => <<"HTTP">>, path => <<"host">>',
    '\'__struct__\' => \'Elixir.URI\', scheme => <<"x">>, path => <<"//host/path">>',
    '\'__struct__\' => \'Elixir.URI\', scheme => <<"http">>, host => <<"a">>, path => <<"b">>',
    '\'__struct__\' => \'Elixir.URI\', scheme => <<"http">>, host => <<"a/b">>, path => <<"/c">>',
    '\'__struct__\' => \'Elixir.URI\', scheme => <<"http">>, host => <<"a">>, userinfo => <<"b/@c">>',
    '\'__struct__\' => \'Elixir.URI\', scheme => <<"http">>, host => <<"a">>, port => 70000',
    '\'__struct__\' => \'Elixir.URI\', scheme => <<"http">>, host => <<"a">>, path => <<"/?x">>',
    '\'__struct__\' => \'Elixir.URI\', scheme => <<"http">>, host => <<"a">>, query => <<"x#y">>',
    "'__struct__' => 'Elixir.URI', path => <<\"/relative\">>, scheme => nil",
    "'__struct__' => 'Elixir.URI', scheme => <<\"ht tp\">>",
    "'__struct__' => 'Elixir.Decimal', sign => 2, coef => 1, exp => 0",
    "'__struct__' => 'Elixir.Decimal', sign => 1, coef => other, exp => 0",
    "'__struct__' => 'Elixir.Decimal', sign => 1, coef => 1, exp => 1000000000000",
    "'__struct__' => 'Elixir.Decimal', sign => 1, coef => -1, exp => 0",
    "'__struct__' => 'Elixir.Time', hour => 1",
  ]) {
    const text = `#{${fields}}`;
    t.deepEqual(fromErlang(text, elixir()), fromErlang(text), text);
  }
});

test('options of elixir', (t) => {
  t.is(elixir(), elixir({}));
  t.is(elixir({ encodeDates: 'Date' }).encoders, elixir({ encodeDates: 'Date' }).encoders);
  t.throws(() => elixir({ encodeDate: 'Date' } as never), { instanceOf: OptionError });
  t.throws(() => elixir({ encodeDates: 'Time' } as never), { instanceOf: OptionError });
  t.throws(() => elixir({ mapSetVersion: 1 } as never), { instanceOf: OptionError });
});

withElixir('Elixir takes and gives the same (skipped where elixir is not installed)', async (t) => {
  const peer = new LinePeer('elixir', 'structs.exs');
  t.teardown(() => peer.close());
  const ask = async (text: string, it: unknown = null, options = elixir()): Promise<unknown> => {
    const question = Buffer.from(text).toString('base64');
    const encoded = encode(it, options).toString('base64');
    const [answer] = await peer.ask([`${question} ${encoded}`]);
    return decode(Buffer.from(answer!, 'base64'), options);
  };
  // Sets have no order.
  const equal = (a: unknown, b: unknown): boolean => t.true(isDeepStrictEqual(a, b), inspect(a));
  const date = new Date('2026-02-03T04:05:06.007Z');
  t.is(
    await ask('it == ~U[2026-02-03 04:05:06.007Z] and DateTime.to_iso8601(it)', date),
    '2026-02-03T04:05:06.007Z',
  );
  equal(await ask('~U[2026-02-03 04:05:06.007999Z]'), date);
  equal(await ask('%{~U[2026-02-03 05:05:06.007Z] | utc_offset: 0, std_offset: 3600}'), date);
  const naive = elixir({ encodeDates: 'NaiveDateTime' });
  t.is(await ask('it == ~N[2026-02-03 04:05:06.007]', date, naive), true);
  equal(await ask('~N[2026-02-03 04:05:06.007]'), date);
  t.is(await ask('it == ~D[2026-02-03]', date, elixir({ encodeDates: 'Date' })), true);
  equal(await ask('~D[2026-02-03]'), new Date('2026-02-03'));
  equal(await ask('~D[-0044-03-15]'), new Date('-000044-03-15'));
  equal(await ask('~D[0001-01-01]'), new Date('0001-01-01'));
  equal(
    await ask('MapSet.new([:a, "b", nil, 1.5, {1}])'),
    new Set([atom('a'), 'b', null, 1.5, tuple(1)]),
  );
  equal(await ask('MapSet.new(["a", "b"])'), new Set(['a', 'b']));
  equal(await ask('MapSet.new([:a, :b, nil, true])'), new Set([atom('a'), atom('b'), null, true]));
  equal(await ask('MapSet.new()'), new Set());
  const set = new Set(['x', 1, new Set([atom('y')])]);
  equal(await ask('MapSet.put(it, 2) |> MapSet.delete(2)', set), set);
  t.is(
    await ask('MapSet.equal?(it, MapSet.new(["x", 1, MapSet.new([:y])]))', new Set(['x', 1, set])),
    false,
  );
  t.is(await ask('MapSet.equal?(it, MapSet.new([1, "x"]))', new Set(['x', 1])), true);
  const old = 'it == MapSet.new([1, "x"]) or Version.match?(System.version(), ">= 1.15.0")';
  t.is(await ask(old, new Set(['x', 1]), elixir({ mapSetVersion: 2 })), true);
  for (const text of [
    'https://u:p@example.org:8443/a?b=c#d',
    'http://example.org/',
    'mailto:a@b.c',
  ]) {
    t.is(await ask('URI.to_string(it)', new URL(text)), text);
    equal(await ask(`URI.new!(${toElixir(text)})`), new URL(text));
    equal(await ask(`URI.parse(${toElixir(text)})`), new URL(text));
    t.is(await ask(`it == URI.new!(${toElixir(text)})`, new URL(text)), true, text);
  }
  t.like(await ask('URI.parse("/relative?x=1")'), { path: '/relative', query: 'x=1' });
});

import { inspect, isDeepStrictEqual } from 'node:util';
import test from 'ava';
import {
  atom,
  decode,
  encode,
  float,
  fromErlang,
  OptionError,
  TermError,
  toElixir,
  toTerm,
  tuple,
} from '../src/index.js';
import { elixir, Range, Time, Version } from '../src/elixir.js';
import { elixirAvailable, LinePeer } from './support/evaluators.js';

const withElixir = elixirAvailable() ? test : test.skip;

const roundTrip = (value: unknown, options = elixir()): unknown =>
  decode(encode(value, options), options);

test('values with Elixir structs come back unchanged', (t) => {
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

test('dates are sent as the chosen struct', (t) => {
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
  // The index that `map` passes must not become a precision.
  for (const make of [elixir.dateTime, elixir.naiveDateTime]) {
    t.deepEqual([date, date].map(make), [make(date), make(date)]);
  }
  for (const make of [elixir.dateTime, elixir.naiveDateTime, elixir.date, elixir.time]) {
    t.throws(() => make('2026-02-03' as never), {
      instanceOf: TermError,
      message: "expected a Date, not '2026-02-03'",
    });
    t.throws(() => make(new Date(NaN)), { instanceOf: TermError, message: /invalid date/ });
  }
  t.throws(() => encode({ at: new Date(NaN) }, elixir()), {
    instanceOf: TermError,
    message: /^value\.at .*an invalid date cannot be encoded/,
  });
});

test("years are limited to Elixir's", (t) => {
  const first = new Date('-009999-01-01T00:00:00Z');
  const last = new Date('9999-12-31T23:59:59.999Z');
  for (const encodeDates of ['DateTime', 'NaiveDateTime'] as const) {
    t.deepEqual(roundTrip([first, last], elixir({ encodeDates })), [first, last]);
  }
  for (const beyond of [new Date(first.getTime() - 1), new Date(last.getTime() + 1)]) {
    t.throws(() => elixir.dateTime(beyond), { instanceOf: TermError, message: /the year/ });
    for (const encodeDates of ['DateTime', 'NaiveDateTime', 'Date'] as const) {
      t.throws(() => encode({ at: beyond }, elixir({ encodeDates })), {
        instanceOf: TermError,
        message:
          /^value\.at cannot be encoded because its toTerm threw: the year -?10000 is outside of Elixir/,
      });
    }
  }
});

test('the precision of sent dates can be set', (t) => {
  const date = new Date('2026-02-03T04:05:06.789Z');
  const microsecond = (value: unknown, options: Parameters<typeof elixir>[0]): unknown =>
    (decode(encode(value, elixir(options))) as { microsecond: unknown }).microsecond;
  for (const encodeDates of ['DateTime', 'NaiveDateTime'] as const) {
    t.deepEqual(microsecond(date, { encodeDates }), tuple(789_000, 3));
    t.deepEqual(microsecond(date, { encodeDates, precision: 0 }), tuple(0, 0));
    t.deepEqual(microsecond(date, { encodeDates, precision: 3 }), tuple(789_000, 3));
    t.deepEqual(microsecond(date, { encodeDates, precision: 6 }), tuple(789_000, 6));
  }
  t.deepEqual(microsecond(new Time(1, 2, 3, 4), {}), tuple(4, 6));
  t.deepEqual(microsecond(new Time(1, 2, 3, 4), { precision: 0 }), tuple(0, 0));
  t.deepEqual(microsecond(new Time(1, 2), { precision: 6 }), tuple(0, 6));
  for (const precision of [1, '3', 7, null]) {
    t.throws(() => elixir({ precision: precision as 3 }), {
      instanceOf: OptionError,
      message: /option 'precision' takes 0, 3 or 6/,
    });
  }
});

test('decoded dates keep their precision', (t) => {
  const dateTime = (micros: number, precision: number): string =>
    "#{'__struct__' => 'Elixir.DateTime', calendar => 'Elixir.Calendar.ISO', year => 2026, month => 1, " +
    'day => 2, hour => 3, minute => 4, second => 5, utc_offset => 0, std_offset => 0, ' +
    `time_zone => <<"Etc/UTC">>, zone_abbr => <<"UTC">>, microsecond => {${micros}, ${precision}}}`;
  for (const [micros, precision] of [
    [0, 0],
    [100_000, 1],
    [120_000, 2],
    [123_000, 3],
    [123_000, 4],
    [123_000, 6],
  ] as const) {
    const date = fromErlang(dateTime(micros, precision), elixir());
    t.deepEqual(date as unknown, new Date(Date.UTC(2026, 0, 2, 3, 4, 5, micros / 1000)));
    t.deepEqual(Object.keys(date as object), []);
    t.deepEqual(decode(encode(date, elixir())), fromErlang(dateTime(micros, precision)));
    const fixed = decode(encode(date, elixir({ precision: 3 }))) as { microsecond: unknown };
    t.deepEqual(fixed.microsecond, tuple(micros, 3));
  }
  const date = fromErlang(dateTime(0, 0), elixir()) as unknown as Date;
  date.setMilliseconds(7);
  t.like(decode(encode(date, elixir())), { microsecond: tuple(7000, 3) });
});

test('times, ranges and versions have their own classes', (t) => {
  for (const value of [
    new Time(23, 59, 59, 999_999),
    new Time(0, 0),
    Time.from('01:02:03'),
    Time.from('01:02:03.450'),
    new Range(1, 10),
    new Range(10, 1),
    new Range(1, 10, 3),
    new Range(3, 1, 1),
    new Version('1.2.3'),
    new Version('1.2.3-rc.1+build.7'),
  ]) {
    t.deepEqual(roundTrip(value), value);
    t.is((roundTrip(value) as object).constructor, value.constructor);
  }
  t.is(String(Time.from('01:02:03.450')), '01:02:03.450');
  t.is(JSON.stringify(new Time(1, 2, 3)), '"01:02:03"');
  t.is(inspect(new Time(1, 2, 3, 500_000)), 'Time(01:02:03.5)');
  t.deepEqual([...new Range(1, 10, 3)], [1, 4, 7, 10]);
  t.deepEqual([...new Range(3, 1)], [3, 2, 1]);
  t.deepEqual([...new Range(3, 1, 1)], []);
  t.is(new Range(1, 10, 4).size, 3);
  t.true(new Range(1, 10, 4).has(9));
  t.false(new Range(1, 10, 4).has(10));
  t.is(String(new Range(5, 1, -2)), '5..1//-2');
  t.is(inspect(new Range(1, 3)), 'Range(1..3)');
  t.deepEqual(new Version('1.2.3-rc.1').pre, ['rc', 1]);
  t.is(String(new Version('1.2.3-rc.1+build')), '1.2.3-rc.1+build');
  t.is(inspect(new Version('1.2.3')), 'Version(1.2.3)');
  for (const make of [
    () => new Time(24, 0),
    () => new Time(1, 60),
    () => new Time(1, 2, 60),
    () => new Time(1, 2, 3, 1_000_000),
    () => new Time(1, 2, 3, 4, 7),
    () => Time.from('1:2:3'),
    () => new Range(1, 2, 0),
    () => new Range(1.5, 2),
    () => new Version('1.2'),
    () => new Version('01.2.3'),
  ]) {
    t.throws(make, { instanceOf: TermError });
  }
});

test('URLs keep empty hosts, queries and fragments', (t) => {
  for (const [href, host, query, fragment] of [
    ['file:///etc/hosts', '', null, null],
    ['http://a.b/?', 'a.b', '', null],
    ['http://a.b/#', 'a.b', null, ''],
    ['http://a.b/?#', 'a.b', '', ''],
    ['http://a.b/?x=?#?#', 'a.b', 'x=?', '?#'],
    ['x:///path', '', null, null],
    ['x:/path', null, null, null],
    ['x:/.//path', null, null, null],
    ['mailto:a@b?', null, '', null],
  ] as const) {
    const url = new URL(href);
    t.like(decode(encode(url, elixir())), { host, query, fragment }, href);
    t.is((roundTrip(url) as URL).href, href);
  }
});

test('regular expressions are decoded if JavaScript supports them', (t) => {
  const regex = (source: string, opts: string): unknown =>
    fromErlang(
      `#{'__struct__' => 'Elixir.Regex', source => ${source}, opts => ${opts}, re_pattern => nil}`,
      elixir(),
    );
  t.deepEqual(regex('<<"a+b">>', '[]'), /a+b/u as never);
  t.deepEqual(regex('<<"a+b">>', '<<"iu">>'), /a+b/iu as never);
  t.deepEqual(regex('<<"a.b">>', '[unicode,ucp,caseless,multiline,dotall]'), /a.b/imsu as never);
  for (const [source, opts] of [
    ['<<"\\\\Aa">>', '[]'],
    ['<<"(?<n">>', '[]'],
    ['<<"a++">>', '[]'],
    ['<<"[]a[b]">>', '[]'],
    ['<<"[^]a[b]">>', '[]'],
    ['<<"a">>', '<<"x">>'],
    ['<<"a">>', '[extended]'],
    ['<<"a">>', '[{a,1}]'],
    ['<<"a">>', '#{}'],
    ['1', '[]'],
  ] as const) {
    t.like(regex(source, opts), { __struct__: atom('Elixir.Regex') }, `${source} ${opts}`);
  }
  t.throws(() => encode(/a/, elixir()), { instanceOf: TermError });
});

test('classes of the user can stand for structs', (t) => {
  class Point {
    constructor(
      readonly x: number,
      readonly y: number,
    ) {}
    get length(): number {
      return Math.hypot(this.x, this.y);
    }
  }
  const hooks = elixir({ structs: { 'Shop.Point': Point } });
  const point = new Point(3, 4);
  t.is(toElixir(point, hooks), '%Shop.Point{x: 3, y: 4}');
  const back = decode(encode([point, { at: new Date(5) }], hooks), hooks) as unknown as [
    Point,
    object,
  ];
  t.true(back[0] instanceof Point);
  t.deepEqual(back, [point, { at: new Date(5) }]);
  t.is(back[0].length, 5);
  const nested = new Point(point as never, new Set([1]) as never);
  t.deepEqual(decode(encode(nested, hooks), hooks) as unknown, nested);
  const evil = fromErlang(
    "#{'__struct__' => 'Elixir.Shop.Point', '__proto__' => 1, x => 2}",
    hooks,
  );
  t.true((evil as unknown) instanceof Point);
  t.deepEqual(Object.keys(evil as object).sort(), ['__proto__', 'x']);
  const structs = { 'Shop.Point': Point };
  t.is(elixir({ structs }), elixir({ structs }));
  for (const wrong of [{ Point: 1 }, [Point], 'Point', { '': Point }, { Point: () => 1 }]) {
    t.throws(() => elixir({ structs: wrong as never }), { instanceOf: OptionError });
  }

  // The most derived class wins, whatever the order.
  class Point3 extends Point {
    readonly z = 5;
  }
  for (const classes of [
    { Plane: Point, Space: Point3 },
    { Space: Point3, Plane: Point },
  ]) {
    t.is(
      toElixir([new Point3(3, 4), point], elixir({ structs: classes })),
      '[%Space{x: 3, y: 4, z: 5}, %Plane{x: 3, y: 4}]',
    );
  }

  // They take precedence.
  class Day {
    readonly year = 1970;
  }
  const days = elixir({ structs: { Date: Day } });
  t.true(decode(encode(elixir.date(new Date(0))), days) instanceof Day);

  // A received struct can pass its fields to another.
  const received = { __struct__: atom('Elixir.Old'), x: 1 };
  t.is(toElixir(elixir.struct('New', received)), '%New{x: 1}');

  class Order {
    constructor(readonly id: number) {}
    [toTerm](): unknown {
      return elixir.struct('Shop.Order', this);
    }
  }
  const revivers = [{ struct: 'Shop.Order', revive: ({ id }: { id: number }) => new Order(id) }];
  t.deepEqual(decode(encode(new Order(7)), { revivers }) as unknown, new Order(7));
});

test('invalid structs stay maps', (t) => {
  const evil = '#{toString => 1, valueOf => 1}';
  for (const fields of [
    `'__struct__' => 'Elixir.Version', major => ${evil}, minor => 1, patch => 1, pre => [], build => nil`,
    `'__struct__' => 'Elixir.Version', major => 1, minor => 1, patch => 1, pre => [${evil}], build => nil`,
    `'__struct__' => 'Elixir.Version', major => 1, minor => 1, patch => 1, pre => [<<"1">>], build => nil`,
    `'__struct__' => 'Elixir.Version', major => 1, minor => 1, patch => 1, pre => [], build => ${evil}`,
    `'__struct__' => 'Elixir.Range', first => 1, last => 2, step => 0`,
    `'__struct__' => 'Elixir.Range', first => 1, last => 1.5, step => 1`,
    `'__struct__' => 'Elixir.Range', first => 1, last => 2`,
    `'__struct__' => 'Elixir.Regex', source => <<"a">>, opts => [${evil}]`,
    `'__struct__' => 'Elixir.URI', scheme => <<"http">>, host => <<"a">>, path => ${evil}`,
    `'__struct__' => 'Elixir.URI', scheme => <<"http">>, host => <<"a">>, userinfo => ${evil}`,
    `'__struct__' => 'Elixir.Time', calendar => 'Elixir.Calendar.ISO', hour => 1, minute => 2, second => 3, microsecond => {1, 7}`,
  ]) {
    const text = `#{${fields}}`;
    t.deepEqual(fromErlang(text, elixir()), fromErlang(text), text);
  }
});

test('structs decode to the same values with every setting of binaries', (t) => {
  const url = new URL('http://u@a.b/c?d#e');
  const version = new Version('1.2.3-rc.1+build');
  const regex = fromErlang(
    '#{\'__struct__\' => \'Elixir.Regex\', source => <<"a">>, opts => <<"i">>}',
  );
  const bytes = encode([url, version, regex], { ...elixir(), objectKeys: 'atom' });
  for (const binaries of ['auto', 'buffer', 'string'] as const) {
    const values = decode(bytes, { ...elixir(), binaries }) as unknown;
    t.true(isDeepStrictEqual(values, [url, version, /a/iu]), inspect(values));
  }
  const notUtf8 =
    '#{\'__struct__\' => \'Elixir.URI\', scheme => <<"http">>, host => <<"a">>, path => <<47,255>>}';
  t.deepEqual(fromErlang(notUtf8, elixir()), fromErlang(notUtf8));
});

test('sets are sent in the form of Elixir 1.15 or 1.14', (t) => {
  const set = new Set([1]);
  t.is(toElixir(set, elixir()), '%MapSet{map: %{1 => []}}');
  t.is(toElixir(set, elixir({ mapSetVersion: 2 })), '%MapSet{map: %{1 => []}, version: 2}');
  const numbers = new Set([1n, 1, 2.5, float(2.5), 2n ** 70n, float(2 ** 70)]);
  t.deepEqual(roundTrip(numbers), new Set([1, 2.5, 2n ** 70n, 2 ** 70]));
  t.is(toElixir(new Set([1n, float(1)]), elixir()), '%MapSet{map: %{1 => [], 1.0 => []}}');
});

test('decimals survive a round trip', (t) => {
  for (const [text, sign, coef, exp, printed] of [
    ['1.50', 1, 150, -2, '1.50'],
    ['-1.50', -1, 150, -2, '-1.50'],
    ['+42', 1, 42, 0, '42'],
    ['.5', 1, 5, -1, '0.5'],
    ['-.5', -1, 5, -1, '-0.5'],
    ['5.', 1, 5, 0, '5'],
    ['5.e2', 1, 5, 2, '5E+2'],
    ['.5E-3', 1, 5, -4, '0.0005'],
    ['nan', 1, atom('NaN'), 0, 'NaN'],
    ['INFINITY', 1, atom('inf'), 0, 'Infinity'],
    ['1e999999999', 1, 1, 999_999_999, '1E+999999999'],
    ['1e-00000000000007', 1, 1, -7, '1E-7'],
    [`${'0'.repeat(50)}7`, 1, 7, 0, '7'],
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
    '.',
    '-',
    '+.e1',
    'e5',
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

test('hosts may have up to 253 characters', (t) => {
  const uri = (fields: string): string =>
    `#{'__struct__' => 'Elixir.URI', scheme => <<"http">>, userinfo => nil, ${fields}}`;
  for (const port of ['nil', '8080']) {
    const host = (length: number): string =>
      uri(
        `host => <<"${'a'.repeat(length)}">>, port => ${port}, path => <<"/${'b'.repeat(300)}">>`,
      );
    t.true(fromErlang(host(253), elixir()) instanceof URL);
    t.deepEqual(fromErlang(host(254), elixir()), fromErlang(host(254)));
  }
});

test('a long host is refused in every part of a URI', (t) => {
  // V8 composes such a host in quadratic time.
  const host = 'a' + '\u0316\u0301'.repeat(20_000);
  const structs = [
    { scheme: 'http', host },
    { scheme: 'http', host: `\t${host}` },
    { scheme: 'file', host: null, path: `/\\${host}` },
    { scheme: 'file', host: null, path: `/\t/${host}` },
    { scheme: 'file', host: null, path: `\\\\${host}` },
    { scheme: 'file', host: '', path: `/${host}` },
    { scheme: 'x', host, path: '' },
  ].map((fields) => ({ __struct__: atom('Elixir.URI'), ...fields }));
  for (const fields of structs) {
    const bytes = encode(fields, { objectKeys: 'atom' });
    const decoded = decode(bytes, elixir());
    // After an empty host the rest is a path.
    if (fields.host === '') t.true(decoded instanceof URL);
    else t.deepEqual(decoded as object, decode(bytes));
  }
});

test('regular expressions may have up to 1,000 characters and 4 property escapes', (t) => {
  const regex = (source: string): unknown =>
    decode(
      encode({ __struct__: atom('Elixir.Regex'), source, opts: [] }, { objectKeys: 'atom' }),
      elixir(),
    );
  t.deepEqual(regex('\\p{L}'.repeat(4)), /\p{L}\p{L}\p{L}\p{L}/u);
  t.like(regex('\\p{L}\\P{L}'.repeat(2) + '[\\p{L}]'), { opts: [] });
  const characters = Array.from({ length: 999 }, (_, index) => String.fromCharCode(0xd000 - index));
  t.true(regex(`[${characters.slice(1).join('')}]`) instanceof RegExp);
  t.like(regex(`[${characters.join('')}]`), { opts: [] });
});

test('decimals may have many digits', (t) => {
  const digits = '9'.repeat(10_000);
  t.is(roundTrip(elixir.decimal(digits)), digits);
  t.throws(() => elixir.decimal(`${digits}9`), {
    instanceOf: OptionError,
    message: 'elixir.decimal takes up to 10000 digits',
  });
  t.throws(() => elixir.decimal('0'.repeat(20_000)), { message: /up to 10000 digits/ });
  for (const text of [
    `-${digits}`,
    `-0.00000${digits}`,
    `-${digits[0]}.${digits.slice(1)}E-999990000`,
  ]) {
    t.is(roundTrip(elixir.decimal(text)), text);
  }
  const decimal = (coef: bigint): unknown => {
    const fields = { __struct__: atom('Elixir.Decimal'), sign: 1, coef, exp: 0 };
    return decode(encode(fields, { objectKeys: 'atom' }), elixir());
  };
  t.is(decimal(10n ** 10_000n - 1n), digits);
  t.like(decimal(10n ** 10_000n), { coef: 10n ** 10_000n });
  // V8 would take many seconds to print it.
  const huge = 1n << BigInt(8 * 8_000_000);
  t.true((decimal(huge) as { coef: bigint }).coef === huge);
});

test('structs that no JavaScript value can represent stay maps', (t) => {
  for (const fields of [
    "'__struct__' => 'Elixir.Date', calendar => 'Elixir.Cldr.Calendar', year => 2026, month => 1, day => 1",
    "'__struct__' => 'Elixir.Date', calendar => 'Elixir.Calendar.ISO', year => 2026, month => 2, day => 30",
    "'__struct__' => 'Elixir.Date', calendar => 'Elixir.Calendar.ISO', year => 2026, month => 13, day => 1",
    "'__struct__' => 'Elixir.Date', calendar => 'Elixir.Calendar.ISO', year => 1.0e300, month => 1, day => 1",
    "'__struct__' => 'Elixir.Date'",
    "'__struct__' => 'Elixir.NaiveDateTime', calendar => 'Elixir.Calendar.ISO', year => 2026, month => 1, day => 1",
    "'__struct__' => 'Elixir.MapSet', map => 1",
    "'__struct__' => 'Elixir.MapSet', map => [1]",
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
    "'__struct__' => 'Elixir.Decimal', sign => 1, coef => 10, exp => 999999999",
    "'__struct__' => 'Elixir.Decimal', sign => 1, coef => -1, exp => 0",
    "'__struct__' => 'Elixir.Time', hour => 1",
    "'__struct__' => 'Elixir.Time', calendar => 'Elixir.Calendar.ISO', hour => 23, minute => 59, second => 60, microsecond => {0, 0}",
  ]) {
    const text = `#{${fields}}`;
    t.deepEqual(fromErlang(text, elixir()), fromErlang(text), text);
  }
});

test('elixir checks its options', (t) => {
  t.is(elixir(), elixir({}));
  t.is(elixir({ encodeDates: 'Date' }).encoders, elixir({ encodeDates: 'Date' }).encoders);
  t.throws(() => elixir({ encodeDate: 'Date' } as never), { instanceOf: OptionError });
  t.throws(() => elixir({ encodeDates: 'Time' } as never), { instanceOf: OptionError });
  t.throws(() => elixir({ mapSetVersion: 1 } as never), { instanceOf: OptionError });
});

withElixir('Elixir reads and writes the same terms (skipped without elixir)', async (t) => {
  const peer = new LinePeer('elixir', 'structs.exs');
  t.teardown(() => peer.close());
  const ask = async (text: string, it: unknown = null, options = elixir()): Promise<unknown> => {
    const question = Buffer.from(text).toString('base64');
    const encoded = encode(it, options).toString('base64');
    const [answer] = await peer.ask([`${question} ${encoded}`]);
    return decode(Buffer.from(answer!, 'base64'), options);
  };
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
  t.is(await ask('it == ~T[01:02:03.450]', Time.from('01:02:03.450')), true);
  equal(await ask('~T[01:02:03.450]'), Time.from('01:02:03.450'));
  t.is(await ask('it == 1..10//3', new Range(1, 10, 3)), true);
  equal(await ask('5..1//-2'), new Range(5, 1, -2));
  t.is(await ask('it == Version.parse!("1.2.3-rc.1+b")', new Version('1.2.3-rc.1+b')), true);
  equal(await ask('Version.parse!("1.2.3-rc.1+b")'), new Version('1.2.3-rc.1+b'));
  equal(await ask('~r/a+b/iu'), /a+b/iu);
  equal(await ask('~r/\\\\Aa/ |> Map.take([:source])'), { source: '\\\\Aa' });
  for (const text of ['~U[2026-02-03 04:05:06Z]', '~U[2026-02-03 04:05:06.007000Z]']) {
    const date = await ask(text);
    t.is(await ask(`it == ${text} and it.microsecond == ${text}.microsecond`, date), true, text);
  }
  const seconds = elixir({ precision: 0 });
  t.is(await ask('it == ~U[2026-02-03 04:05:06Z]', date, seconds), true);
  const micros = elixir({ precision: 6 });
  t.is(await ask('it == ~U[2026-02-03 04:05:06.007000Z]', date, micros), true);
  for (const text of ['file:///etc/hosts', 'http://a.b/?', 'http://a.b/?#', 'http://a.b/#x']) {
    t.is(await ask('URI.to_string(it)', new URL(text)), text);
    t.is(await ask(`it == URI.new!(${toElixir(text)})`, new URL(text)), true, text);
    equal(await ask(`URI.new!(${toElixir(text)})`), new URL(text));
  }
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

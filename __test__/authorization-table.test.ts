import {
  called,
  changed,
  make,
  signed,
  tryRows,
  unsigned,
  type Expected,
  type Row,
} from './support/request-rows.js';

// The last parameter of a name wins.

const authorized = (change: (authorization: string) => string): Buffer =>
  changed(({ headers }) => ({
    headers: headers.map(([name, value]) =>
      name === 'authorization' ? [name, change(value)] : [name, value],
    ),
  }));
const row = (name: string, from: string | RegExp, to: string, expected: Expected): Row => [
  name,
  () =>
    authorized((text) => {
      const other = text.replace(from, to);
      if (other === text) throw new Error(`${String(from)} is missing`);
      return other;
    }),
  expected,
];
const header = (name: string, value: string, expected: Expected): Row => [
  `${name}: ${value.slice(0, 30)}`,
  () => make({ headers: { [name]: value } }),
  expected,
];

const PARAMETERS = unsigned(401, 'invalid_header_params');
const SIGNATURE = unsigned(401, 'invalid_signature');
const SCHEME = unsigned(401, 'invalid_auth_type');
const KEY = unsigned(401, 'unknown_key');
const ALGORITHM = unsigned(401, 'unknown_algorithm');
const HERE = called('here');
const END = /$/;
const BEGIN = 'Signature ';

const SIGNED = [
  'accept',
  'accept-encoding',
  'content-length',
  'content-type',
  'digest',
  'x-request-id',
];
const distinctNames = (count: number): string[] =>
  Array.from({ length: count }, (_, number) => `x-${number}`);

tryRows([
  row('hmac-sha512', 'hmac-sha256', 'hmac-sha512', ALGORITHM),
  row('algorithm none', 'hmac-sha256', 'none', ALGORITHM),
  row('hs2019', 'hmac-sha256', 'hs2019', ALGORITHM),
  row('an empty algorithm', 'hmac-sha256', '', ALGORITHM),
  row('an uppercase algorithm', 'hmac-sha256', 'HMAC-SHA256', ALGORITHM),
  row('a missing algorithm', 'algorithm="hmac-sha256",', '', ALGORITHM),

  row('another key', 'default', 'other', KEY),
  row('an empty key', '"default"', '""', KEY),
  row('a missing keyId', 'keyId="default",', '', KEY),
  row('keyid', 'keyId', 'keyid', KEY),
  row('an escaped letter', '"default"', '"def\\ault"', KEY),
  row('an escaped quote', '"default"', '"def\\"ault"', PARAMETERS),
  row('keyId twice', END, ',keyId="default"', HERE),
  row('another keyId last', END, ',keyId="other"', KEY),
  row('another keyId first', BEGIN, 'Signature keyId="other",', HERE),

  row('an empty signature', /signature=".*"/, 'signature=""', SIGNATURE),
  row('a signature without padding', /="$/, '"', SIGNATURE),
  row('a doubled signature', /signature="(.*)"/, 'signature="$1$1"', SIGNATURE),
  row('a space before the signature', 'signature="', 'signature=" ', SIGNATURE),
  row('a long signature', /signature=".*"/, `signature="${'A'.repeat(10_000)}"`, SIGNATURE),
  row('a wrong signature last', END, ',signature="AAAA"', SIGNATURE),
  row('a wrong signature first', BEGIN, 'Signature signature="AAAA",', HERE),

  row(
    'an empty header list',
    /headers="[^"]*"/,
    'headers=""',
    unsigned(401, '{missing_mandatory_header,<<"(request-target)">>}'),
  ),
  row('no header list', /headers="[^"]*",/, '', unsigned(401, 'missing_signed_header_list')),
  row(
    'a shorter header list last',
    END,
    ',headers="(request-target)"',
    unsigned(401, '{missing_mandatory_header,<<"digest">>}'),
  ),
  row('a shorter header list first', BEGIN, 'Signature headers="(request-target)",', HERE),
  row('a header twice', ' digest', ' digest digest', PARAMETERS),
  row('a header twice, separately', 'x-request-id"', 'x-request-id digest"', PARAMETERS),
  row('a header twice, in two cases', ' digest', ' digest Digest', PARAMETERS),
  row('a header a thousand times', 'headers="', `headers="${'digest '.repeat(1000)}`, PARAMETERS),
  row(
    'the pseudo header twice',
    'headers="(request-target)',
    'headers="(request-target) (request-target)',
    PARAMETERS,
  ),
  ['a header twice, signed accordingly', () => make({ signed: [...SIGNED, 'digest'] }), PARAMETERS],
  ['all headers once', () => make({ signed: SIGNED }), HERE],
  [
    'a thousand missing headers',
    () =>
      authorized((text) =>
        text.replace('x-request-id"', `x-request-id ${distinctNames(1000).join(' ')}"`),
      ),
    unsigned(401, '{missing_header,<<"x-0">>}'),
  ],
  row('two spaces', ' digest', '  digest', HERE),
  row('a tab', ' digest', '\tdigest', unsigned(401, '{missing_mandatory_header,<<"digest">>}')),
  row('an uppercase header', ' digest', ' Digest', HERE),
  row(
    'the pseudo header of responses',
    'headers="',
    'headers="(response-status) ',
    unsigned(401, '{missing_header,<<"(response-status)">>}'),
  ),
  row(
    'an unknown pseudo header',
    'headers="',
    'headers="(created) ',
    unsigned(401, '{missing_header,<<"(created)">>}'),
  ),

  row('spaces after commas', /,/g, ', ', HERE),
  row('spaces before commas', /,/g, ' ,', PARAMETERS),
  row('semicolons', /,/g, ';', PARAMETERS),
  row('a trailing comma', END, ',', PARAMETERS),
  row('a leading comma', BEGIN, 'Signature ,', PARAMETERS),
  row('no quotes', /"/g, '', PARAMETERS),
  row('an unclosed quote', /"$/, '', PARAMETERS),
  row('another parameter', END, ',created="1"', HERE),
  row('another parameter without quotes', END, ',created=1', PARAMETERS),
  row('a thousand other parameters', END, ',a="b"'.repeat(1000), HERE),
  row('empty names', /.*/, 'Signature ="",=""', PARAMETERS),
  row('bytes beyond ASCII', /.*/, 'Signature a="\x80\xff"', PARAMETERS),
  row('a lowercase scheme', 'Signature', 'signature', SCHEME),
  row('two spaces after the scheme', BEGIN, 'Signature  ', PARAMETERS),
  row('a tab after the scheme', BEGIN, 'Signature\t', SCHEME),
  row('a scheme alone', /.*/, 'Signature', SCHEME),
  row('an empty value', /.*/, '', SCHEME),
  row('Basic', /.*/, 'Basic eDp5', SCHEME),
  row('Bearer', /.*/, 'Bearer x', SCHEME),

  header('x-request-id', Buffer.alloc(16, 7).toString('base64'), HERE),
  header('date', 'Tue, 01 Jan 2030 00:00:00 GMT', HERE),
  header('date', 'yesterday', HERE),
  header('x-backwater-timeout', '0', signed(504, 'deadline_exceeded')),
  header('x-backwater-timeout', '-1', HERE),
  header('x-backwater-timeout', '999999999999', HERE),
  header('x-backwater-timeout', '9999999999999', HERE),
  header('x-backwater-created', '1', HERE),
  header('x-backwater-audience', 'somebody', HERE),
]);

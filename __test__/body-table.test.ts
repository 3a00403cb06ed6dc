import { createHash } from 'node:crypto';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { encode } from '../src/index.js';
import { called, make, signed, tryRows, type Expected, type Row } from './support/request-rows.js';

const TEXT = 'x'.repeat(1000);
const ARGUMENTS = encode([TEXT]);
const ZIPPED = gzipSync(ARGUMENTS);
const member = (flags: number, ...parts: Buffer[]): Buffer =>
  Buffer.concat([Buffer.of(0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3), ...parts]);
const DEFLATED = ZIPPED.subarray(10);
const damaged = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[(at + copy.length) % copy.length]! ^= 1;
  return copy;
};
/** COMPRESSED of the format of terms. */
const compressed = (message: Buffer): Buffer => {
  const head = Buffer.of(131, 80, 0, 0, 0, 0);
  head.writeUInt32BE(message.length - 1, 2);
  return Buffer.concat([head, deflateSync(message.subarray(1))]);
};
const sha256 = (body: Buffer): string => createHash('sha256').update(body).digest('base64');

const SIZE = called(TEXT.length);
const UNZIPPED = signed(400, 'unable_to_uncompress_arguments');
const UNDECODED = signed(400, 'unable_to_decode_arguments');
const DIGEST = signed(401, 'wrong_arguments_digest');
const target = '/backwater/1/echo/size/1';

const gzip = (name: string, body: Buffer, expected: Expected, encoding = 'gzip'): Row => [
  `gzip: ${name}`,
  () => make({ target, body, headers: { 'content-encoding': encoding } }),
  expected,
];
const terms = (name: string, body: Buffer, expected: Expected): Row => [
  `terms: ${name}`,
  () => make({ target, body }),
  expected,
];
const header = (name: string, value: string, expected: Expected): Row => [
  `${name}: ${value.slice(0, 60)}`,
  () => make({ target, body: ARGUMENTS, headers: { [name]: value } }),
  expected,
];

tryRows([
  // gzip (RFC 1952): only the first member is read, and it must be complete.
  gzip('valid', ZIPPED, SIZE),
  gzip('no bytes', Buffer.alloc(0), UNZIPPED),
  gzip('an empty member', gzipSync(Buffer.alloc(0)), UNDECODED),
  gzip('two members', Buffer.concat([ZIPPED, gzipSync(Buffer.from('more'))]), SIZE),
  gzip(
    'arguments in two members',
    Buffer.concat([gzipSync(ARGUMENTS.subarray(0, 9)), gzipSync(ARGUMENTS.subarray(9))]),
    UNDECODED,
  ),
  gzip('garbage at the end', Buffer.concat([ZIPPED, Buffer.from('garbage')]), SIZE),
  gzip('truncated', ZIPPED.subarray(0, -3), UNZIPPED),
  gzip('a wrong checksum', damaged(ZIPPED, -6), UNZIPPED),
  gzip('a wrong length', damaged(ZIPPED, -1), UNZIPPED),
  gzip('another method', damaged(ZIPPED, 2), UNZIPPED),
  gzip('reserved flags', Buffer.concat([member(0xe0), DEFLATED]), UNZIPPED),
  gzip('a large extra field', member(4, Buffer.of(255, 255), Buffer.alloc(65_535), DEFLATED), SIZE),
  gzip('an unterminated name', member(8, Buffer.alloc(1_000_000, 65)), UNZIPPED),
  gzip('a wrong header checksum', member(2, Buffer.of(1, 2), DEFLATED), UNZIPPED),
  gzip('nested', gzipSync(ZIPPED), UNDECODED),
  gzip('zlib', deflateSync(ARGUMENTS), UNZIPPED),
  gzip('deflate', deflateRawSync(ARGUMENTS), UNZIPPED),
  gzip('declared as identity', ZIPPED, UNDECODED, 'identity'),
  ...[
    'gzip, gzip',
    'GZIP',
    'gzip,',
    'x-gzip',
    'deflate',
    'br',
    'identity, gzip',
    'gzip;q=1',
    '',
  ].map((encoding) =>
    gzip(`called ${encoding}`, ZIPPED, signed(415, 'unsupported_content_encoding'), encoding),
  ),

  terms('no bytes', Buffer.alloc(0), UNDECODED),
  terms('no version', ARGUMENTS.subarray(1), UNDECODED),
  terms('another version', damaged(ARGUMENTS, 0), UNDECODED),
  terms('bytes at the end', Buffer.concat([ARGUMENTS, Buffer.from('bytes')]), SIZE),
  terms('compressed', compressed(ARGUMENTS), UNDECODED),
  gzip('compressed terms', gzipSync(compressed(ARGUMENTS)), UNDECODED),
  terms(
    'an improper list',
    Buffer.of(131, 108, 0, 0, 0, 1, 97, 1, 97, 2),
    signed(400, 'arguments_not_a_list'),
  ),
  terms('a tuple', encode(new Map()), signed(400, 'arguments_not_a_list')),
  terms('a list of four billion', Buffer.of(131, 108, 255, 255, 255, 255, 106), UNDECODED),
  ...[109, 111, 116, 77, 105].map((tag) =>
    terms(
      `tag ${tag} of four thousand million`,
      Buffer.of(131, 108, 0, 0, 0, 1, tag, 255, 255, 255, 255, 0, 1),
      UNDECODED,
    ),
  ),
  [
    'terms: a string of bytes is a list',
    () => make({ target: '/backwater/1/echo/count/1', body: Buffer.of(131, 107, 0, 1, 7) }),
    called(1),
  ],

  header('digest', `SHA-256=${sha256(ARGUMENTS)}`, SIZE),
  header('digest', `sha-256=${sha256(ARGUMENTS)}`, DIGEST),
  header('digest', `MD5=AAAA,SHA-256=${sha256(ARGUMENTS)}`, DIGEST),
  header('digest', `SHA-256=${sha256(ARGUMENTS)},MD5=AAAA`, DIGEST),
  header('digest', `SHA-256=${sha256(ARGUMENTS).slice(0, -1)}`, DIGEST),
  header('digest', `SHA-256=${createHash('sha256').update(ARGUMENTS).digest('hex')}`, DIGEST),
  header('digest', `SHA-512=${createHash('sha512').update(ARGUMENTS).digest('base64')}`, DIGEST),
  header('digest', `SHA-256=${'A'.repeat(12_000)}`, DIGEST),
  header('digest', '', DIGEST),

  header('content-type', 'application/x-erlang-etf; charset="a;b,c"', SIZE),
  header('content-type', 'APPLICATION/X-ERLANG-ETF', SIZE),
  header('content-type', 'application/json', signed(415, 'unsupported_content_type')),
  header('content-type', 'etf', signed(400, 'bad_content_type')),
  header('accept', `${'a/b,'.repeat(1000)}application/x-erlang-etf`, SIZE),
  header('accept', 'application/x-erlang-etf;q=0', signed(406)),
  header('accept', ';;;,,,"\\', signed(406)),
  header('accept-encoding', `${'gzip;q=0.1,'.repeat(900)}*;q=0`, SIZE),
  header('accept-encoding', 'gzip;q=nan', SIZE),
  header('accept-encoding', 'gzip;q=99999999999999999999', SIZE),
]);

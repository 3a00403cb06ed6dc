import {
  arity,
  called,
  calledLast,
  changed,
  chunked,
  duplicate,
  EMPTY,
  insert,
  make,
  MALFORMED,
  NOTHING,
  replaced,
  signed,
  target,
  unsigned,
  withLine,
  withTarget,
  tryRows,
  type Row,
} from './support/request-rows.js';

// Requests as they stand on the wire, and what a server makes of each. Every one is followed by a call
// on the same connection: where the first is refused, nothing may be made of what comes behind it.

const rows: readonly Row[] = [
  ['as it should be', () => make(), called('here')],

  // Headers that matter stand once.
  ...['digest', 'content-type', 'accept', 'accept-encoding', 'x-request-id'].flatMap(
    (name): Row[] => [
      [
        `${name} twice`,
        () =>
          changed(({ headers }) => ({
            headers: [...headers, headers.find(([key]) => key === name)!],
          })),
        duplicate(name),
      ],
      [`another ${name} before`, () => withLine(`${name}: other\r\n`), duplicate(name)],
    ],
  ),
  [
    'authorization twice',
    () => changed(({ headers }) => ({ headers: [...headers, headers.at(-1)!] })),
    duplicate('authorization'),
  ],
  [
    'another authorization',
    () => withLine('authorization: Basic eA==\r\n'),
    duplicate('authorization'),
  ],
  [
    'content-encoding twice',
    () =>
      withLine('content-encoding: identity\r\n', { headers: { 'content-encoding': 'identity' } }),
    duplicate('content-encoding'),
  ],
  ['content-length twice the same', () => withLine('content-length: 2\r\n'), called('here')],
  ['content-length twice differing', () => withLine('content-length: 3\r\n'), MALFORMED],
  ['content-length list', () => replaced('content-length: 2', 'content-length: 2, 2'), MALFORMED],
  ['content-length +', () => make({ headers: { 'content-length': '+2' } }), MALFORMED],
  ['content-length hex', () => make({ headers: { 'content-length': '0x2' } }), MALFORMED],
  ['content-length -', () => make({ headers: { 'content-length': '-2' } }), MALFORMED],
  ['content-length empty', () => make({ headers: { 'content-length': '' } }), MALFORMED],
  [
    'content-length huge',
    () => make({ headers: { 'content-length': '99999999999999999999' } }),
    MALFORMED,
  ],
  [
    'content-length large',
    () => make({ headers: { 'content-length': '9999999999' } }),
    signed(413),
  ],
  ['content-length 002', () => make({ headers: { 'content-length': '002' } }), called('here')],
  [
    'content-length shorter',
    () => make({ headers: { 'content-length': '1' } }),
    signed(401, 'wrong_arguments_digest'),
  ],
  [
    'no content-length',
    () => make({ headers: { 'content-length': undefined } }),
    signed(401, 'wrong_arguments_digest'),
  ],
  [
    'created twice',
    () => withLine('x-backwater-created: 1\r\n', { headers: { 'x-backwater-created': '1' } }),
    duplicate('x-backwater-created'),
  ],
  [
    'timeout twice',
    () => withLine('x-backwater-timeout: 1\r\n', { headers: { 'x-backwater-timeout': '1' } }),
    duplicate('x-backwater-timeout'),
  ],
  ['host twice', () => withLine('host: y\r\n'), called('here')],
  ['x-other twice', () => withLine('x-other: y\r\nx-other: z\r\n'), called('here')],

  // Obsolete line folding, and bytes outside the grammar (RFC 9110, 5.5; RFC 9112, 5.2).
  ['fold', () => replaced('digest: SHA', 'digest:\r\n SHA'), MALFORMED],
  [
    'fold tab',
    () => replaced('accept-encoding: gzip', 'accept-encoding: gzip,\r\n\tidentity'),
    MALFORMED,
  ],
  ['fold unsigned', () => withLine('x-other: a\r\n b\r\n'), MALFORMED],
  ['fold first', () => withLine(' x-other: a\r\n'), MALFORMED],
  ['nul in value', () => withLine('x-other: a\0b\r\n'), MALFORMED],
  ['control in value', () => withLine('x-other: a\x01b\r\n'), MALFORMED],
  ['del in value', () => withLine('x-other: a\x7fb\r\n'), MALFORMED],
  ['lone cr in value', () => withLine('x-other: a\rb\r\n'), MALFORMED],
  ['lone lf in value', () => withLine('x-other: a\nb: c\r\n'), called('here')],
  ['obs-text in value', () => withLine('x-other: caf\xe9\r\n'), called('here')],
  ['obs-text signed', () => make({ headers: { 'x-other': 'caf\xe9' } }), called('here')],
  ['space before colon', () => withLine('x-other : a\r\n'), MALFORMED],
  ['no name', () => withLine(': a\r\n'), MALFORMED],
  ['no colon', () => withLine('x-other\r\n'), MALFORMED],
  ['paren in name', () => withLine('x(other): a\r\n'), MALFORMED],
  ['space in name', () => withLine('x other: a\r\n'), MALFORMED],
  ['non ascii name', () => withLine('x-\xe9: a\r\n'), MALFORMED],

  // Methods: only POST calls.
  ['lower method', () => replaced('POST', 'post'), signed(405)],
  ['lower method signed', () => make({ method: 'post' }), signed(405)],
  ['odd method', () => make({ method: 'P(ST' }), MALFORMED],
  ['GET', () => make({ method: 'GET' }), signed(405)],
  ['PUT', () => make({ method: 'PUT' }), signed(405)],
  ['TRACE', () => make({ method: 'TRACE' }), signed(405)],
  ['HEAD', () => make({ method: 'HEAD' }), signed(405)],
  ['OPTIONS', () => make({ method: 'OPTIONS' }), signed(405)],
  ['CONNECT', () => make({ method: 'CONNECT' }), signed(405)],
  ['PRI', () => make({ method: 'PRI' }), signed(405)],
  ['long method', () => make({ method: 'X'.repeat(5000) }), signed(405)],

  // Other forms of the target (RFC 9112, 3.2). The authority counts for nothing, the path is what is signed.
  ['absolute, path signed', () => withTarget('http://x/backwater/1/echo/echo/0'), called('here')],
  [
    'absolute, signed',
    () => target('http://x/backwater/1/echo/echo/0'),
    unsigned(401, 'invalid_signature'),
  ],
  [
    'absolute other host',
    () => withTarget('http://other:99/backwater/1/echo/echo/0'),
    called('here'),
  ],
  [
    'absolute other path',
    () => withTarget('http://x/backwater/1/echo/count/0'),
    unsigned(401, 'invalid_signature'),
  ],
  ['asterisk', () => target('*'), unsigned(404)],
  ['asterisk OPTIONS', () => target('*', 'OPTIONS'), unsigned(404)],
  ['authority', () => target('x:80', 'CONNECT'), unsigned(404)],
  ['no slash', () => target('backwater/1/echo/echo/0'), MALFORMED],
  ['other base', () => target('/backwater/2/echo/echo/0'), unsigned(404)],
  ['base only', () => target('/backwater/1/'), signed(400, 'invalid_path')],
  ['root', () => target('/'), unsigned(404)],
  ['upper base', () => target('/Backwater/1/echo/echo/0'), unsigned(404)],
  ['double slash', () => target('//backwater/1/echo/echo/0'), unsigned(404)],
  ['dot segment', () => target('/backwater/1/x/../echo/echo/0'), signed(400, 'invalid_path')],
  ['encoded base', () => target('/%62ackwater/1/echo/echo/0'), unsigned(404)],

  // Names are decoded once, and mean nothing but names.
  ['%2F', () => target('/backwater/1/echo/a%2Fb/0'), called('slash')],
  ['%2f', () => target('/backwater/1/echo/a%2fb/0'), called('slash')],
  ['%252F', () => target('/backwater/1/echo/a%252Fb/0'), called('percent')],
  ['slash of the arity', () => target('/backwater/1/echo/echo%2F0'), signed(400, 'invalid_path')],
  ['%2e%2e', () => target('/backwater/1/echo/%2e%2e/0'), called('dots')],
  ['..', () => target('/backwater/1/echo/../0'), called('dots')],
  ['%00', () => target('/backwater/1/echo/echo%00/0'), signed(404, 'function_not_found')],
  ['%c3%a9', () => target('/backwater/1/echo/%C3%A9/0'), called('letter')],
  ['%65cho', () => target('/backwater/1/%65cho/%65cho/0'), called('here')],
  ['invalid utf8', () => target('/backwater/1/echo/%ff/0'), signed(400, 'invalid_path')],
  ['overlong', () => target('/backwater/1/echo/%C0%AF/0'), signed(400, 'invalid_path')],
  ['surrogate', () => target('/backwater/1/echo/%ED%A0%80/0'), signed(400, 'invalid_path')],
  ['bad percent', () => target('/backwater/1/echo/ech%6/0'), signed(400, 'invalid_path')],
  ['bad percent 2', () => target('/backwater/1/echo/echo%/0'), signed(400, 'invalid_path')],
  ['bad percent 3', () => target('/backwater/1/echo/%zz/0'), signed(400, 'invalid_path')],
  ['raw utf8', () => target('/backwater/1/echo/\xc3\xa9/0'), called('letter')],
  ['raw ff', () => target('/backwater/1/echo/\xff/0'), MALFORMED],
  ['nul in target', () => target('/backwater/1/echo/echo\0/0'), MALFORMED],
  ['tab in target', () => target('/backwater/1/echo/echo\t/0'), MALFORMED],
  ['space in target', () => target('/backwater/1/echo/ec ho/0'), MALFORMED],
  ['query', () => target('/backwater/1/echo/echo/0?x'), unsigned(401, 'invalid_signature')],
  ['empty query', () => target('/backwater/1/echo/echo/0?'), unsigned(401, 'invalid_signature')],
  ['fragment', () => target('/backwater/1/echo/echo/0#x'), unsigned(401, 'invalid_signature')],
  ['%3F', () => target('/backwater/1/echo/echo/0%3Fx'), signed(400, 'invalid_arity')],
  ['semicolon', () => target('/backwater/1/echo/echo;x/0'), signed(404, 'function_not_found')],
  ['backslash', () => target('/backwater/1/echo\\echo/0'), signed(400, 'invalid_path')],
  ['bracket', () => target('/backwater/1/echo/[echo]/0'), signed(404, 'function_not_found')],
  ['quote', () => target('/backwater/1/echo/"echo"/0'), signed(404, 'function_not_found')],
  ['long target', () => target(`/backwater/1/echo/${'x'.repeat(20_000)}/0`), unsigned(431)],
  [
    'long name',
    () => target(`/backwater/1/echo/${'x'.repeat(3_000)}/0`),
    signed(404, 'function_not_found'),
  ],

  // Arities.
  ['arity 0', () => arity('0', 0), called(0)],
  ['arity 255', () => arity('255', 255), called(255)],
  ['arity 256', () => arity('256', 256), signed(400, 'invalid_arity')],
  ['arity 1 with 2', () => arity('1', 2), signed(400, 'inconsistent_arguments_arity')],
  ['arity +1', () => arity('+1', 1), called(1)],
  ['arity 001', () => arity('001', 1), called(1)],
  ['arity -0', () => arity('-0', 0), called(0)],
  ['arity -1', () => arity('-1', 1), signed(400, 'invalid_arity')],
  ['arity 1.0', () => arity('1.0', 1), signed(400, 'invalid_arity')],
  ['arity empty', () => arity('', 0), signed(400, 'invalid_path')],
  ['arity %31', () => arity('%31', 1), called(1)],
  ['arity 2', () => arity('2', 2), signed(404, 'function_not_found')],
  ['arity huge', () => arity('9'.repeat(100), 1), signed(400, 'invalid_arity')],

  // Where the body ends (RFC 9112, 6 and 7): the ways of request smuggling. hyper takes chunks over a
  // length that is said besides, leaves that out of the headers, and closes afterwards.
  [
    'CL+TE chunked',
    () => chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY, { 'content-length': '2' }),
    unsigned(401, '{missing_header,<<"content-length">>}'),
  ],
  [
    'CL+TE chunked CL first, long',
    () => insert(chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY), 'content-length: 40\r\n'),
    calledLast('here'),
  ],
  ['chunked', () => chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY), called('here')],
  ['chunked in two', () => chunked('1\r\n\x83\r\n1\r\nj\r\n0\r\n\r\n', EMPTY), called('here')],
  ['chunk ext', () => chunked('2;a=b\r\n\x83j\r\n0;c\r\n\r\n', EMPTY), called('here')],
  ['chunk ext quoted crlf', () => chunked('2;a="\r\n"\r\n\x83j\r\n0\r\n\r\n', EMPTY), signed(400)],
  ['chunk ext bare lf', () => chunked('2;a\nx\r\n\x83j\r\n0\r\n\r\n', EMPTY), signed(400)],
  [
    'chunk ext long',
    () => chunked(`2;${'a'.repeat(20_000)}\r\n\x83j\r\n0\r\n\r\n`, EMPTY),
    signed(400),
  ],
  ['chunk size leading zeros', () => chunked('0002\r\n\x83j\r\n0\r\n\r\n', EMPTY), called('here')],
  ['chunk size space', () => chunked('2 \r\n\x83j\r\n0\r\n\r\n', EMPTY), called('here')],
  ['chunk size sign', () => chunked('+2\r\n\x83j\r\n0\r\n\r\n', EMPTY), signed(400)],
  ['chunk size 0x', () => chunked('0x2\r\n\x83j\r\n0\r\n\r\n', EMPTY), signed(400)],
  ['chunk size neg', () => chunked('-2\r\n\x83j\r\n0\r\n\r\n', EMPTY), signed(400)],
  [
    'chunk size overflow',
    () => chunked('10000000000000002\r\n\x83j\r\n0\r\n\r\n', EMPTY),
    signed(400),
  ],
  ['chunk size wrong', () => chunked('3\r\n\x83j\r\n0\r\n\r\n', EMPTY), signed(400)],
  ['chunk too long', () => chunked('1\r\n\x83j\r\n0\r\n\r\n', EMPTY), signed(400)],
  ['chunk bare lf', () => chunked('2\n\x83j\n0\n\n', EMPTY), signed(400)],
  ['chunk bare lf size', () => chunked('2\n\x83j\r\n0\r\n\r\n', EMPTY), signed(400)],
  ['chunk trailers', () => chunked('2\r\n\x83j\r\n0\r\nx-t: 1\r\n\r\n', EMPTY), called('here')],
  [
    'chunk trailer digest',
    () => chunked('2\r\n\x83j\r\n0\r\ndigest: x\r\ncontent-length: 1\r\n\r\n', EMPTY),
    called('here'),
  ],
  [
    'chunk trailer of a signature',
    () => chunked('2\r\n\x83j\r\n0\r\nauthorization: Signature x\r\n\r\n', EMPTY),
    called('here'),
  ],
  [
    'chunk trailers many',
    () => chunked(`2\r\n\x83j\r\n0\r\n${'x-t: 1\r\n'.repeat(1000)}\r\n`, EMPTY),
    signed(400),
  ],
  [
    'chunk trailer long',
    () => chunked(`2\r\n\x83j\r\n0\r\nx-t: ${'x'.repeat(100_000)}\r\n\r\n`, EMPTY),
    signed(400),
  ],
  [
    'chunk trailer malformed',
    () => chunked('2\r\n\x83j\r\n0\r\n\0\xff: 1\r\n\r\n', EMPTY),
    signed(400),
  ],
  ['chunk unended', () => chunked('2\r\n\x83j\r\n', EMPTY), signed(400)],
  ['TE identity', () => make({ headers: { 'transfer-encoding': 'identity' } }), MALFORMED],
  ['TE gzip', () => make({ headers: { 'transfer-encoding': 'gzip' } }), MALFORMED],
  [
    'TE gzip no CL',
    () => make({ headers: { 'transfer-encoding': 'gzip', 'content-length': undefined } }),
    MALFORMED,
  ],
  [
    'TE chunked, identity',
    () => chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY, { 'transfer-encoding': 'chunked, identity' }),
    MALFORMED,
  ],
  [
    'TE gzip, chunked',
    () => chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY, { 'transfer-encoding': 'gzip, chunked' }),
    called('here'),
  ],
  [
    'TE xchunked',
    () => chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY, { 'transfer-encoding': 'xchunked' }),
    MALFORMED,
  ],
  [
    'TE Chunked',
    () => chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY, { 'transfer-encoding': 'ChunKed' }),
    called('here'),
  ],
  [
    'TE twice',
    () => insert(chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY), 'transfer-encoding: chunked\r\n'),
    unsigned(401, 'invalid_signature'),
  ],
  [
    'TE twice, identity last',
    () => insert(chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY), 'transfer-encoding: identity\r\n'),
    unsigned(401, 'invalid_signature'),
  ],
  [
    'TE quoted',
    () => chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY, { 'transfer-encoding': '"chunked"' }),
    MALFORMED,
  ],
  [
    'TE vtab',
    () => chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY, { 'transfer-encoding': '\x0bchunked' }),
    MALFORMED,
  ],
  [
    'TE chunked;x',
    () => chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY, { 'transfer-encoding': 'chunked;x' }),
    MALFORMED,
  ],
  [
    'TE space colon',
    () =>
      replaced('transfer-encoding:', 'transfer-encoding :', {
        headers: { 'transfer-encoding': 'chunked' },
      }),
    MALFORMED,
  ],
  [
    'TE HTTP/1.0',
    () =>
      Buffer.from(
        chunked('2\r\n\x83j\r\n0\r\n\r\n', EMPTY)
          .toString('latin1')
          .replace('HTTP/1.1', 'HTTP/1.0'),
        'latin1',
      ),
    MALFORMED,
  ],

  // A bare LF ends a line of the head (RFC 9112, 2.2, allows it), not one of the chunks.
  [
    'bare lf lines',
    () =>
      Buffer.concat([
        Buffer.from(make().toString('latin1').slice(0, -2).replaceAll('\r\n', '\n'), 'latin1'),
        EMPTY,
      ]),
    called('here'),
  ],
  ['bare lf one line', () => replaced('\r\naccept:', '\naccept:'), called('here')],
  ['bare lf end', () => replaced('\r\n\r\n', '\n\n'), called('here')],
  ['cr only end', () => replaced('\r\n\r\n', '\r\r'), MALFORMED],
  ['leading crlf', () => Buffer.concat([Buffer.from('\r\n'), make()]), called('here')],
  ['leading lf', () => Buffer.concat([Buffer.from('\n'), make()]), called('here')],
  ['leading space', () => Buffer.concat([Buffer.from(' '), make()]), MALFORMED],

  // Versions, and what is no HTTP at all.
  ['http/1.0', () => replaced('HTTP/1.1', 'HTTP/1.0'), calledLast('here')],
  ['http/1.2', () => replaced('HTTP/1.1', 'HTTP/1.2'), MALFORMED],
  ['http/2.0', () => replaced('HTTP/1.1', 'HTTP/2.0'), MALFORMED],
  ['http/0.9', () => Buffer.from('GET /backwater/1/echo/echo/0\r\n'), MALFORMED],
  ['h2 preface', () => Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), NOTHING],
  ['lower http', () => replaced('HTTP/1.1', 'http/1.1'), MALFORMED],
  ['no version', () => replaced(' HTTP/1.1', ''), MALFORMED],
  ['two spaces', () => replaced('POST /', 'POST  /'), MALFORMED],
  ['tab sep', () => replaced('POST /', 'POST\t/'), MALFORMED],
  ['tls hello', () => Buffer.from('16030100c8010000c40303', 'hex'), MALFORMED],

  // Host is not looked at; too much of a head; headers with a meaning for the connection.
  ['no host', () => replaced('host: x\r\n', ''), called('here')],
  [
    'many headers',
    () => withLine(Array.from({ length: 120 }, (_, i) => `x-${i}: 1\r\n`).join('')),
    unsigned(431),
  ],
  [
    '90 headers',
    () => withLine(Array.from({ length: 80 }, (_, i) => `x-${i}: 1\r\n`).join('')),
    called('here'),
  ],
  ['long header', () => withLine(`x-long: ${'x'.repeat(20_000)}\r\n`), unsigned(431)],
  ['connection close', () => withLine('connection: close\r\n'), calledLast('here')],
  ['upgrade', () => withLine('connection: upgrade\r\nupgrade: h2c\r\n'), called('here')],
  [
    'upgrade to websocket',
    () => withLine('connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n'),
    called('here'),
  ],
  [
    'upgrade signed',
    () => make({ headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c' } }),
    called('here'),
  ],
  ['empty lines', () => Buffer.from('\r\n'.repeat(20_000)), unsigned(431)],
  ['long line', () => Buffer.from('A'.repeat(100_000)), unsigned(431)],
  ['zeros', () => Buffer.alloc(5000), MALFORMED],
  ['expect twice', () => withLine('expect: 100-continue\r\nexpect: x\r\n'), called('here')],
  ['expect empty', () => withLine('expect:\r\n'), called('here')],
  ['expect', () => withLine('expect: 100-continue\r\n'), called('here')],
  ['expect other', () => withLine('expect: magic\r\n'), called('here')],
];

tryRows(rows);

// Messages that anybody can send, without the secret.
import { clientHello } from './certificate.mjs';
import { answer, lines, request } from './signing.mjs';

const WRONG = 'not the secret of the process under attack';
const LARGE = Buffer.alloc(1_000_000);
/** The limit is 16 KiB. */
const HEAD = 16_000;
const post = 'POST /backwater/1/m/none/0 HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n';
const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n';
const demanded = (requestId = 'c2l4dGVlbiBieXRlcyBpZA==') =>
  lines([
    ['digest', 'SHA-256=x'],
    ['x-request-id', requestId],
  ]);
const parameters = (list, signature = 'A'.repeat(43) + '=') =>
  `keyId="default",algorithm="hmac-sha256",headers="${list}",signature="${signature}"`;

/** `filled` makes what fits into the rest of the size. */
function head(size, start, filled) {
  const room = size - start.length - 4;
  return Buffer.from(`${start}${filled(room)}\r\n\r\n`, 'latin1');
}

function names(room, name) {
  let text = '';
  for (let number = 0; ; number++) {
    const next = ` ${name(number)}`;
    if (text.length + next.length > room) return text;
    text += next;
  }
}

function manyLines(room, count, name) {
  const each = Math.floor(room / count);
  return Array.from({ length: count }, (_, number) => {
    const start = `${name(number)}: `;
    return start + 'x'.repeat(Math.max(1, each - start.length - 2));
  }).join('\r\n');
}

function heads(size, start, list, signed) {
  const unsigned = (filled) => () => head(size, start, filled);
  const after = (filled) => (requestId) => head(size, start + demanded(requestId), filled);
  return {
    'one long header, and no signature': unsigned((room) => `x: ${'x'.repeat(room - 3)}`),
    '95 headers, and no signature': unsigned((room) =>
      manyLines(room, 95, (number) => `x-${number}`),
    ),
    'a header that is listed again and again': after((room) => {
      const half = Math.floor((room - signed(list).length - 5) / 2);
      return `a: ${'x'.repeat(half)}\r\n${signed(list + names(half, () => 'a'))}`;
    }),
    'a list of absent headers': after((room) =>
      signed(list + names(room - signed(list).length, (number) => number)),
    ),
    'a list with one long name': after((room) =>
      signed(`${list} ${'x'.repeat(room - signed(list).length - 1)}`),
    ),
    'a wrong signature over a long header': after((room) => {
      const signature = signed(`${list} x`);
      return `x: ${'x'.repeat(room - signature.length - 5)}\r\n${signature}`;
    }),
    'a long signature': after((room) =>
      signed(list, 'A'.repeat((room - signed(list, '').length) & ~3)),
    ),
  };
}

const kindsOf = (side, inputs, more) =>
  Object.entries(inputs).map(([name, input]) => ({ side, stage: 'before', name, input, ...more }));

const LIST = '(request-target) digest x-request-id content-length';
const authorization = (...parts) => `authorization: Signature ${parameters(...parts)}`;
const shared = heads(HEAD, post, LIST, authorization);

const serverInputs = {
  ...shared,
  'a long path': () =>
    head(HEAD, 'GET /', (room) => `${'x'.repeat(room - 18)} HTTP/1.1\r\nhost: x`),
  'one header 95 times': () => head(HEAD, post, (room) => manyLines(room, 95, () => 'x')),
  'a list of 90 present headers': () => {
    const list = Array.from({ length: 90 }, (_, number) => `x-${number}`).join(' ');
    const start = `${post}${demanded()}${authorization(`${LIST} ${list}`)}\r\n`;
    return head(HEAD, start, (room) => manyLines(room, 90, (number) => `x-${number}`));
  },
  '3,000 parameters of a signature': () =>
    head(
      HEAD,
      `${post}authorization: Signature `,
      (room) => 'a="",'.repeat((room - 4) / 5) + 'a=""',
    ),
  'a long name of a parameter': () =>
    head(HEAD, `${post}authorization: Signature `, (room) => 'a'.repeat(room)),
  '8,000 empty lines': () => Buffer.from(`${'\r\n'.repeat(8000)}GET / HTTP/1.1\r\n\r\n`),
  'a refused request with a body of 1 MB': () => request({ secret: WRONG, body: LARGE }),
};

export async function beforeOnServer() {
  const hello = await clientHello();
  const kind = (name, input, more) => ({ side: 'server', stage: 'before', name, input, ...more });
  const wrong = 'a wrong signature over a long header';
  return [
    kind('a request for an unknown path', () => Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'), {
      base: true,
    }),
    ...kindsOf('server', serverInputs),
    kind(`${wrong}, with 8 secrets`, shared[wrong], { options: { moreSecrets: 7 } }),
    kind('a head in pieces of 64 bytes', shared['one long header, and no signature'], {
      pieces: 64,
    }),
    kind(
      'a server of node:net that only reads the same pieces',
      shared['one long header, and no signature'],
      {
        pieces: 64,
        options: { onlyReads: true },
        compared: true,
      },
    ),
    kind('an aborted TLS handshake', () => hello, { tls: true, fixed: true }),
    kind(
      'an invalid TLS record of 16 KB',
      () => Buffer.concat([Buffer.of(22, 3, 1, 62, 128), Buffer.alloc(16_000, 1)]),
      { tls: true },
    ),
    kind('a head without an end', () => Buffer.from(`${post}x: ${'x'.repeat(HEAD)}`), {
      unanswered: true,
    }),
  ];
}

const clientInputs = {
  ...heads(
    4 * HEAD,
    ok,
    '(response-status) digest x-request-id content-length',
    (...parts) => `signature: ${parameters(...parts)}`,
  ),
  'a forged answer with a body of 1 MB': (id) => answer(id, { secret: WRONG, body: LARGE }),
  '2,500 interim answers': () =>
    Buffer.from(`${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(2500)}${ok}\r\n`),
};

export const beforeOnClient = [
  ...kindsOf(
    'client',
    {
      'an unsigned answer': () =>
        Buffer.from('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'),
    },
    { base: true, atMost: 200 },
  ),
  ...kindsOf('client', clientInputs, { atMost: 200 }),
];

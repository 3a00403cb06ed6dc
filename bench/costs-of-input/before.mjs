// What anybody can send who reaches the port, or answers a client's requests.
import { clientHello } from './certificate.mjs';
import { answer, lines, request } from './signing.mjs';

const WRONG = 'not the secret of the process under attack';
/** A head may have 16 KiB, an answer's 64 KiB. */
const HEAD = 16_000;
const ANSWER_HEAD = 64_000;
const PATH = '/backwater/1/m/none/0';

/** Fills a head up to its size with what is made of the bytes that are left. */
function head(size, start, filled) {
  const room = size - start.length - 4;
  return Buffer.from(`${start}${filled(room)}\r\n\r\n`, 'latin1');
}

const post = `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n`;
const demanded = lines([
  ['digest', 'SHA-256=x'],
  ['x-request-id', 'c2l4dGVlbiBieXRlcyBpZA=='],
]);
const LIST = '(request-target) digest x-request-id content-length';
const authorization = (list, signature = 'A'.repeat(43) + '=') =>
  `authorization: Signature keyId="default",algorithm="hmac-sha256",headers="${list}",signature="${signature}"`;

/** As many names as there is room for. */
function names(room, name) {
  let text = '';
  for (let number = 0; ; number++) {
    const next = ` ${name(number)}`;
    if (text.length + next.length > room) return text;
    text += next;
  }
}

/** A header that is listed again and again: half of the room for it, half for the list. */
const repeated = (list, finish) => (room) => {
  const half = Math.floor((room - finish('').length - 5) / 2);
  const listed = names(half, () => 'a');
  return `a: ${'x'.repeat(half)}\r\n${finish(`${list}${listed}`)}`;
};

const serverInputs = {
  'a path of 16 KB that is not there': () =>
    head(HEAD, 'GET /', (room) => `${'x'.repeat(room - 22)} HTTP/1.1\r\nhost: x\r\n`.trimEnd()),
  'a header of 16 KB, and no signature': () => head(HEAD, `${post}x: `, (room) => 'x'.repeat(room)),
  '95 headers that are not signed': () =>
    head(HEAD, post, (room) => manyLines(room, 95, (number) => `x-${number}`)),
  'one header 95 times': () => head(HEAD, post, (room) => manyLines(room, 95, () => 'x')),
  'a header of 8 KB that is listed 3,900 times': () =>
    head(
      HEAD,
      post + demanded,
      repeated(LIST, (list) => authorization(list)),
    ),
  'a list of 5,000 names that are not there': () =>
    head(HEAD, post + demanded, (room) =>
      authorization(LIST + names(room - authorization(LIST).length, (number) => number)),
    ),
  'a list with a name of 15 KB': () =>
    head(HEAD, post + demanded, (room) =>
      authorization(`${LIST} ${'x'.repeat(room - authorization(LIST).length - 1)}`),
    ),
  'a list of 90 headers that are there': () => {
    const list = Array.from({ length: 90 }, (_, number) => `x-${number}`).join(' ');
    const signature = authorization(`${LIST} ${list}`);
    return head(HEAD, `${post}${demanded}${signature}\r\n`, (room) =>
      manyLines(room, 90, (number) => `x-${number}`),
    );
  },
  'a wrong signature over a header of 15 KB': () =>
    head(HEAD, post + demanded, (room) => {
      const signature = authorization(`${LIST} x`);
      return `x: ${'x'.repeat(room - signature.length - 5)}\r\n${signature}`;
    }),
  'a signature of 15 KB': () =>
    head(HEAD, post + demanded, (room) =>
      authorization(LIST, 'A'.repeat((room - authorization(LIST, '').length) & ~3)),
    ),
  '3,000 parameters of a signature': () =>
    head(HEAD, post, (room) => {
      const start = 'authorization: Signature ';
      return start + 'a="",'.repeat((room - start.length - 4) / 5) + 'a=""';
    }),
  'a name of a parameter of 15 KB': () =>
    head(HEAD, `${post}authorization: Signature `, (room) => 'a'.repeat(room)),
  '8,000 empty lines': () => Buffer.from(`${'\r\n'.repeat(8000)}GET / HTTP/1.1\r\n\r\n`),
  'a refused request with a body of 1 MB': () =>
    request({ secret: WRONG, body: Buffer.alloc(1_000_000) }),
};

function manyLines(room, count, name) {
  const each = Math.floor(room / count);
  return Array.from({ length: count }, (_, number) => {
    const start = `${name(number)}: `;
    return start + 'x'.repeat(Math.max(1, each - start.length - 2));
  }).join('\r\n');
}

const server = { side: 'server', stage: 'before' };

export async function beforeOnServer() {
  const hello = await clientHello();
  return [
    {
      ...server,
      name: 'a request for what is not there',
      base: true,
      input: () => Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
    },
    ...Object.entries(serverInputs).map(([name, input]) => ({ ...server, name, input })),
    {
      ...server,
      name: 'a wrong signature over a header of 15 KB, with 8 secrets',
      options: { moreSecrets: 7 },
      input: serverInputs['a wrong signature over a header of 15 KB'],
    },
    {
      ...server,
      name: 'a header of 16 KB, in pieces of 64 bytes',
      pieces: 64,
      input: serverInputs['a header of 16 KB, and no signature'],
    },
    {
      ...server,
      name: 'a TLS handshake that is broken off',
      tls: true,
      fixed: true,
      input: () => hello,
    },
    {
      ...server,
      name: 'a record of TLS that is none, of 16 KB',
      tls: true,
      input: () => Buffer.concat([Buffer.of(22, 3, 1, 62, 128), Buffer.alloc(16_000, 1)]),
    },
    {
      ...server,
      name: 'a head of 16 KB that does not end',
      unanswered: true,
      input: () => Buffer.from(`${post}x: ${'x'.repeat(HEAD)}`),
    },
  ];
}

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n';
const signature = (list, value = 'A'.repeat(43) + '=') =>
  `signature: keyId="default",algorithm="hmac-sha256",headers="${list}",signature="${value}"`;
const ANSWER_LIST = '(response-status) digest x-request-id content-length';
const answered = (requestId) =>
  `${ok}${lines([
    ['digest', 'SHA-256=x'],
    ['x-request-id', requestId],
  ])}`;

const clientInputs = {
  'a header of 32 KB that is listed 16,000 times': (id) =>
    head(
      ANSWER_HEAD,
      answered(id),
      repeated(ANSWER_LIST, (list) => signature(list)),
    ),
  'a list of 20,000 names that are not there': (id) =>
    head(ANSWER_HEAD, answered(id), (room) =>
      signature(ANSWER_LIST + names(room - signature(ANSWER_LIST).length, (number) => number)),
    ),
  'a list with a name of 63 KB': (id) =>
    head(ANSWER_HEAD, answered(id), (room) =>
      signature(`${ANSWER_LIST} ${'x'.repeat(room - signature(ANSWER_LIST).length - 1)}`),
    ),
  'a wrong signature over a header of 63 KB': (id) =>
    head(ANSWER_HEAD, answered(id), (room) => {
      const finish = signature(`${ANSWER_LIST} x`);
      return `x: ${'x'.repeat(room - finish.length - 5)}\r\n${finish}`;
    }),
  'a signature of 63 KB': (id) =>
    head(ANSWER_HEAD, answered(id), (room) =>
      signature(ANSWER_LIST, 'A'.repeat((room - signature(ANSWER_LIST, '').length) & ~3)),
    ),
  '95 headers, and no signature': () =>
    head(ANSWER_HEAD, ok, (room) => manyLines(room, 95, (number) => `x-${number}`)),
  'a forged answer with a body of 1 MB': (id) =>
    answer(id, { secret: WRONG, body: Buffer.alloc(1_000_000) }),
  '2,500 interim answers': () =>
    Buffer.from(`${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(2500)}${ok}\r\n`),
};

const client = { side: 'client', stage: 'before', atMost: 200 };

export const beforeOnClient = [
  {
    ...client,
    name: 'an answer that is not signed',
    base: true,
    input: () => Buffer.from('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'),
  },
  ...Object.entries(clientInputs).map(([name, input]) => ({ ...client, name, input })),
];

import { createHash, createHmac, randomBytes } from 'node:crypto';

export const SECRET = 'the secret of the costs of input, 32 bytes';
const ETF = 'application/x-erlang-etf';

export const EMPTY_LIST = Buffer.of(131, 106);
export const RETURN_NONE = Buffer.from('\x83h\x02w\x06returnw\x04none', 'latin1');

export const digestOf = (body) => `SHA-256=${createHash('sha256').update(body).digest('base64')}`;
const sign = (text, secret) => createHmac('sha256', secret).update(text, 'latin1').digest('base64');

export const lines = (headers) => headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');

function parameters(names, text, secret) {
  return `algorithm="hmac-sha256",headers="${names.join(' ')}",keyId="default",signature="${sign(text, secret)}"`;
}

function signedOver(pseudo, pseudoValue, headers, secret) {
  const text = [[pseudo, pseudoValue], ...headers].map(([name, value]) => `${name}: ${value}`);
  return parameters([pseudo, ...headers.map(([name]) => name)], text.join('\n'), secret);
}

export function request({
  path = 'm/none/0',
  body = EMPTY_LIST,
  digest = digestOf(body),
  headers = [],
  secret = SECRET,
} = {}) {
  const all = [
    ['accept', ETF],
    ['accept-encoding', 'gzip'],
    ['content-length', body.length],
    ['content-type', ETF],
    ['digest', digest],
    ['x-request-id', randomBytes(16).toString('base64')],
    ...headers,
  ];
  const target = `/backwater/1/${path}`;
  const signature = signedOver('(request-target)', `post ${target}`, all, secret);
  const head = `POST ${target} HTTP/1.1\r\nhost: x\r\n${lines(all)}authorization: Signature ${signature}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

export function answer(
  requestId,
  { body = RETURN_NONE, digest = digestOf(body), headers = [], secret = SECRET } = {},
) {
  const all = [
    ['content-length', body.length],
    ['content-type', ETF],
    ['digest', digest],
    ['x-request-id', requestId],
    ...headers,
  ];
  const signature = signedOver('(response-status)', '200', all, secret);
  const head = `HTTP/1.1 200 OK\r\n${lines(all)}signature: ${signature}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

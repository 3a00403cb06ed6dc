// Makes golden.json: two streams, with Node's own HMAC and gzip and nothing of this library.
//   node crates/protocol/tests/streams/golden.mjs
import { createHash, createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const hmac = (key, ...parts) => createHmac('sha256', key).update(Buffer.concat(parts)).digest();
const ascii = (text) => Buffer.from(text, 'latin1');
const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

/** The headers with a signature over all of them, and the signature. */
function sign(secret, pseudo, headers, name, scheme) {
  const names = [pseudo[0], ...headers.map(([header]) => header)].join(' ');
  const string = [pseudo, ...headers].map(([header, value]) => `${header}: ${value}`).join('\n');
  const tag = hmac(secret, ascii(string));
  const parameters = `algorithm="hmac-sha256",headers="${names}",keyId="default",signature="${tag.toString('base64')}"`;
  return { headers: [...headers, [name, scheme + parameters]], tag };
}

const ITEMS = 1;
const END = 2;
const EXCEPTION = 3;
const PING = 4;

function stream({ name, secret, requestId, nonce, gzip, frames }) {
  const id = Buffer.from(requestId).toString('base64');
  // No arguments: 131 and the empty list.
  const body = Buffer.of(131, 106);
  const request = sign(
    secret,
    ['(request-target)', 'post /backwater/1/module/function/0'],
    [
      ['accept', 'application/x-backwater-stream, application/x-erlang-etf'],
      ['accept-encoding', gzip ? 'gzip' : 'identity'],
      ['content-length', '2'],
      ['content-type', 'application/x-erlang-etf'],
      ['digest', `SHA-256=${createHash('sha256').update(body).digest('base64')}`],
      ['x-request-id', id],
    ],
    'authorization',
    'Signature ',
  );
  const response = sign(
    secret,
    ['(response-status)', '200'],
    [
      ['cache-control', 'private, no-cache, no-store, must-revalidate, no-transform'],
      ['content-type', 'application/x-backwater-stream'],
      ['expires', '0'],
      ['pragma', 'no-cache'],
      ['x-backwater-stream', `1;nonce=${Buffer.from(nonce).toString('base64')}`],
      ['x-request-id', id],
    ],
    'signature',
    '',
  );
  const key = hmac(secret, ascii('backwater-stream-1'), request.tag, response.tag);
  return {
    name,
    secret,
    requestId,
    nonce,
    request: request.headers,
    response: response.headers,
    frames: frames.map(({ type, payload, pack }, number) => {
      const sent = pack ? gzipSync(payload) : payload;
      const frame = Buffer.concat([u32(sent.length), Buffer.of(type, pack ? 1 : 0), sent]);
      const tag = hmac(key, u64(number), frame).subarray(0, 16);
      return {
        type,
        isPacked: pack === true,
        payload: payload.toString('base64'),
        frame: Buffer.concat([frame, tag]).toString('base64'),
      };
    }),
  };
}

/** Items that are encoded: 131, LIST_EXT. */
const items = (...terms) => ({
  type: ITEMS,
  payload: Buffer.concat([Buffer.of(131, 108), u32(terms.length), ...terms, Buffer.of(106)]),
});
const end = (count) => ({ type: END, payload: u64(count) });
const ping = { type: PING, payload: Buffer.alloc(0) };
const binary = (text) =>
  Buffer.concat([Buffer.of(109), u32(Buffer.byteLength(text)), Buffer.from(text)]);
const atom = (text) => Buffer.concat([Buffer.of(119, text.length), ascii(text)]);

const streams = [
  stream({
    name: 'items, a ping and the end',
    secret: 'one',
    requestId: 'sixteen bytes id',
    nonce: 'sixteen of nonce',
    gzip: false,
    frames: [
      items(Buffer.of(97, 1), Buffer.of(97, 255)),
      ping,
      items(binary('grün'), Buffer.of(106)),
      end(4),
    ],
  }),
  stream({
    name: 'an exception',
    secret: 'a secret that is longer than the block of SHA-256, which has sixty-four bytes',
    requestId: 'another 16 bytes',
    nonce: 'nonce of sixteen',
    gzip: false,
    frames: [
      items(atom('a')),
      {
        type: EXCEPTION,
        payload: Buffer.concat([
          Buffer.of(131, 104, 3),
          atom('exit'),
          atom('server_closing'),
          Buffer.of(106),
        ]),
      },
    ],
  }),
  stream({
    name: 'nothing',
    secret: 'one',
    requestId: 'sixteen bytes id',
    nonce: 'sixteen of nonce',
    gzip: true,
    frames: [end(0)],
  }),
  stream({
    name: 'compressed',
    secret: 'one',
    requestId: 'sixteen bytes id',
    nonce: 'sixteen of nonce',
    gzip: true,
    frames: [{ ...items(binary('x'.repeat(400))), pack: true }, items(binary('short')), end(2)],
  }),
];
writeFileSync(new URL('golden.json', import.meta.url), `${JSON.stringify(streams, null, 2)}\n`);

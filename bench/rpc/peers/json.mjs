// node:http as the server, undici as the client, JSON; plain, and with the digest and HMAC that the
// protocol asks for, by node:crypto.
import { createHmac, hash, randomFillSync, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { Pool } from 'undici';
import { http1, httpResponse } from '../replay.mjs';
import { SECRET } from '../workloads.mjs';

const PATH = { record: '/record', records: '/records', binary: '/binary' };

/** Binaries go as base64, as JSON has none. */
export const encode = {
  record: (value) => JSON.stringify(value),
  records: (value) => JSON.stringify(value),
  binary: (value) => JSON.stringify(value.toString('base64')),
};
export const decode = {
  '/record': (body) => JSON.parse(body.toString()),
  '/records': (body) => JSON.parse(body.toString()),
  '/binary': (body) => Buffer.from(JSON.parse(body.toString()), 'base64'),
};
const encodeResult = {
  '/record': encode.record,
  '/records': encode.records,
  '/binary': encode.binary,
};

const echo = (value) => value;

function serverOf(crypto) {
  const server = createServer((incoming, response) => {
    const chunks = [];
    incoming.on('data', (chunk) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
      const { url, headers } = incoming;
      if (crypto && !isAuthentic(headers, `post ${url}`, body)) {
        response.writeHead(401).end();
        return;
      }
      const result = Buffer.from(encodeResult[url](echo(decode[url](body))));
      const answer = { 'content-type': 'application/json', 'content-length': result.length };
      if (crypto) sign(answer, '200', headers['x-request-id'], result);
      response.writeHead(200, answer);
      response.end(result);
    });
  });
  server.keepAliveTimeout = 120_000;
  return server;
}

const SIGNED = ['content-length', 'content-type', 'digest', 'x-request-id'];

function signatureOf(headers, pseudo) {
  let text = pseudo;
  for (const name of SIGNED) text += `\n${name}: ${headers[name]}`;
  return createHmac('sha256', SECRET).update(text).digest();
}

const digestOf = (body) => `SHA-256=${hash('sha256', body, 'base64')}`;

function sign(headers, pseudo, id, body) {
  headers['digest'] = digestOf(body);
  headers['x-request-id'] = id;
  headers['signature'] = signatureOf(headers, pseudo).toString('base64');
}

function isAuthentic(headers, pseudo, body) {
  const given = Buffer.from(headers['signature'] ?? '', 'base64');
  const expected = signatureOf(headers, pseudo);
  return (
    given.length === expected.length &&
    timingSafeEqual(given, expected) &&
    headers['digest'] === digestOf(body)
  );
}

const newId = () => randomFillSync(Buffer.allocUnsafe(16)).toString('base64');

function headersOf(crypto, path, body) {
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  if (crypto) sign(headers, `post ${path}`, newId(), body);
  return headers;
}

function peer(title, crypto) {
  return {
    title,
    serve: () =>
      new Promise((resolve) => {
        const server = serverOf(crypto).listen(0, '127.0.0.1', 1024, () =>
          resolve({ port: server.address().port }),
        );
      }),
    connect(port, { inFlight }) {
      const pool = new Pool(`http://127.0.0.1:${port}`, { connections: inFlight });
      return {
        async call({ form, value }) {
          const path = PATH[form];
          const body = Buffer.from(encode[form](value));
          const headers = headersOf(crypto, path, body);
          const response = await pool.request({ path, method: 'POST', headers, body });
          const result = Buffer.from(await response.body.arrayBuffer());
          if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
          if (crypto && !isAuthentic(response.headers, '200', result)) {
            throw new Error('the response is not authentic');
          }
          return decode[path](result);
        },
        close: () => pool.close(),
      };
    },
    request({ form, value }, port) {
      const body = Buffer.from(encode[form](value));
      const headers = { host: `127.0.0.1:${port}`, ...headersOf(crypto, PATH[form], body) };
      return http1('POST', PATH[form], headers, body);
    },
    canned({ form, value }) {
      const body = Buffer.from(encode[form](value));
      const headers = { 'content-type': 'application/json', 'content-length': body.length };
      if (crypto) sign(headers, '200', newId(), body);
      return httpResponse(headers, body);
    },
  };
}

export const plain = peer('node:http, undici: JSON', false);
export const signed = peer('node:http, undici: JSON with HMAC', true);

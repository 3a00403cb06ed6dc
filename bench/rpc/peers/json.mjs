// node:http and undici, plain or with the protocol's digest and HMAC by node:crypto.
import { createHmac, hash, randomFillSync, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { Pool } from 'undici';
import { http1, httpResponse } from '../replay.mjs';
import { SECRET } from '../workloads.mjs';
import { listening } from './shared.mjs';

const encode = (form, value) =>
  Buffer.from(JSON.stringify(form === 'binary' ? value.toString('base64') : value));
const decode = (form, body) => {
  const value = JSON.parse(body.toString());
  return form === 'binary' ? Buffer.from(value, 'base64') : value;
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
      const form = url.slice(1);
      const result = encode(form, echo(decode(form, body)));
      response.writeHead(200, headersOf(crypto && headers['x-request-id'], '200', result));
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

/** Signed if there is an id. */
function headersOf(id, pseudo, body) {
  const headers = { 'content-type': 'application/json', 'content-length': body.length };
  if (id) {
    headers['digest'] = digestOf(body);
    headers['x-request-id'] = id;
    headers['signature'] = signatureOf(headers, pseudo).toString('base64');
  }
  return headers;
}

function peer(title, crypto) {
  const requestOf = ({ form, value }) => {
    const path = `/${form}`;
    const body = encode(form, value);
    return { path, body, headers: headersOf(crypto && newId(), `post ${path}`, body) };
  };
  return {
    title,
    serve: () => listening(serverOf(crypto)),
    connect(port, { inFlight }) {
      const pool = new Pool(`http://127.0.0.1:${port}`, { connections: inFlight });
      return {
        async call(workload) {
          const response = await pool.request({ method: 'POST', ...requestOf(workload) });
          const result = Buffer.from(await response.body.arrayBuffer());
          if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
          if (crypto && !isAuthentic(response.headers, '200', result)) {
            throw new Error('the response is not authentic');
          }
          return decode(workload.form, result);
        },
        close: () => pool.close(),
      };
    },
    request(workload, port) {
      const { path, headers, body } = requestOf(workload);
      return http1('POST', path, { host: `127.0.0.1:${port}`, ...headers }, body);
    },
    canned({ form, value }) {
      const body = encode(form, value);
      return httpResponse(headersOf(crypto && newId(), '200', body), body);
    },
  };
}

export const plain = peer('node:http, undici: JSON', false);
export const signed = peer('node:http, undici: JSON with HMAC', true);

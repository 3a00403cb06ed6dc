import test from 'ava';
import { parseEndpoint } from '../src/options/endpoint.js';
import { OptionError } from '../src/errors/errors.js';

function refused(url: unknown): string {
  try {
    parseEndpoint(url);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    if (error.option !== 'url') throw new Error(`names ${error.option}`);
    return error.message;
  }
  throw new Error(`not refused: ${String(url)}`);
}

for (const [url, host, port] of [
  ['localhost', 'localhost', 8080],
  ['Example.COM', 'example.com', 8080],
  ['my_host', 'my_host', 8080],
  ['10.0.0.1', '10.0.0.1', 8080],
  ['10.0.0.1:1', '10.0.0.1', 1],
  ['localhost:80', 'localhost', 80],
  ['localhost:65535', 'localhost', 65535],
  ['::1', '::1', 8080],
  ['[::1]', '::1', 8080],
  ['[::1]:9000', '::1', 9000],
  ['bücher.example:9000', 'xn--bcher-kva.example', 9000],
  ['http://localhost', 'localhost', 80],
  ['http://localhost:80', 'localhost', 80],
  ['http://localhost:8443', 'localhost', 8443],
  ['http://localhost:443/', 'localhost', 443],
  ['HTTP://localhost:8080/backwater/1', 'localhost', 8080],
  ['http://[::1]:8080/backwater/1/', '::1', 8080],
  [new URL('http://localhost:8081'), 'localhost', 8081],
] as const) {
  test(`accepts ${String(url)}${typeof url === 'string' ? '' : ' as a URL'}`, (t) => {
    const endpoint = { scheme: 'http', host, port, basePath: '/backwater/1/' };
    t.deepEqual(parseEndpoint(url), endpoint as never);
  });
}

for (const url of [
  undefined,
  null,
  8080,
  {},
  '',
  ':8080',
  'host:',
  'host:port',
  'host:80:80',
  'host:0',
  'host:65536',
  'host:123456',
  'host/path',
  'host?query',
  'user@host',
  ' host',
  'ho\nst',
  '[::1',
  '[::1]x',
  '[host]:80',
  'http://',
  'http://ho st',
  'http://ho\tst',
  'http://host:0',
  'http://host:65536',
  'http://host/other',
  'http://host/backwater/2/',
  'http://host/backwater/1/module',
  'http://host/?query',
  'http://host/?',
  'http://host/#fragment',
  'http://host/#',
  'http://user@host',
  new URL('http://host/other'),
  'ftp://host',
  'ws://host',
  'file:///etc/hosts',
]) {
  test(`refuses ${JSON.stringify(url)}${url instanceof URL ? ' as a URL' : ''}`, (t) => {
    t.true(refused(url).startsWith("option 'url' "));
  });
}

test('ports 443 and 8443 imply TLS', (t) => {
  t.like(parseEndpoint('host:443'), { scheme: 'https', host: 'host', port: 443 });
  t.like(parseEndpoint('host:8443'), { scheme: 'https', port: 8443 });
  t.like(parseEndpoint('host:8442'), { scheme: 'http', port: 8442 });
  t.like(parseEndpoint('http://host:8443'), { scheme: 'http', port: 8443 });
  t.like(parseEndpoint('https://host'), { scheme: 'https', port: 443 });
  t.like(parseEndpoint(new URL('https://[::1]:8080')), {
    scheme: 'https',
    host: '::1',
    port: 8080,
  });
});

test('errors do not reveal passwords', (t) => {
  for (const url of ['http://user:hush@host', 'http://user:hush@host:99999', 'user:hush@host/']) {
    t.false(refused(url).includes('hush'), url);
  }
});

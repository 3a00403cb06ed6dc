import test from 'ava';
import {
  BackwaterError,
  decodeResponse,
  encodeRequest,
  OptionError,
  ResponseAuthenticationError,
  type HttpResponse,
} from '../src/index.js';
import { secret } from './support/rpc.js';

const { requestId } = encodeRequest({ url: 'http://127.0.0.1:8080', secret }, 'm', 'f');
const decode = (response: unknown, id: unknown = requestId): unknown =>
  decodeResponse({ secret, requestId: id as string }, response as HttpResponse);
const unsigned = { status: 200, headers: {}, body: Buffer.from('text') };

for (const [what, response] of Object.entries<HttpResponse>({
  'headers as an object of strings': { ...unsigned, headers: { 'x-a': 'b', 'x-c': undefined } },
  'headers as an object of lists': { ...unsigned, headers: { 'x-a': ['b', 'c'] } },
  'headers as pairs': { ...unsigned, headers: [['x-a', 'b'], ['x-a', 'c']] }, // prettier-ignore
  'headers as a Map': { ...unsigned, headers: new Map([['x-a', 'b']]) },
  'a Headers object': { ...unsigned, headers: new Headers({ 'x-a': 'b' }) },
  'a body as an ArrayBuffer': { ...unsigned, body: new ArrayBuffer(4) },
  'an unknown status': { ...unsigned, status: 999 },
})) {
  test(`decodeResponse reads ${what} and refuses the unsigned response`, (t) => {
    t.throws(() => decode(response), { instanceOf: ResponseAuthenticationError });
  });
}

const refused: readonly (readonly [option: string, response: unknown])[] = [
  ...[undefined, null, 5, 'text'].map((response) => ['response', response] as const),
  ...[undefined, NaN, '200', 99, 1000, 200.5, -1, 1e9, 2n ** 70n].map(
    (status) => ['response.status', { ...unsigned, status }] as const,
  ),
  ...[
    undefined,
    null,
    5,
    'text',
    [['x-a']],
    [1],
    [['x-a', 1]],
    { 'x-a': 5 },
    { 'x-a': null },
    { 'x-a': ['b', {}] },
    { 'bad name': 'b' },
    { 'x-a': 'b\nc: d' },
    { 'x-a': '\u{100}' },
    Array.from({ length: 40_000 }, (_, index) => [`x-${index}`, 'y']),
  ].map((headers) => ['response.headers', { ...unsigned, headers }] as const),
  ...[undefined, null, 'text', 5, [1], new Uint16Array(2), new DataView(new ArrayBuffer(2))].map(
    (body) => ['response.body', { ...unsigned, body }] as const,
  ),
];

for (const [index, [option, response]] of refused.entries()) {
  test(`decodeResponse refuses an invalid response and names ${option} (${index})`, (t) => {
    const error = t.throws(() => decode(response), { instanceOf: OptionError });
    t.is(error?.option, option);
    t.true(error?.message.includes(option), error?.message);
    t.true(error instanceof BackwaterError);
  });
}

for (const id of [undefined, '', 'x', 'AAAA', requestId + requestId, 16]) {
  test(`decodeResponse refuses the requestId ${String(id)}`, (t) => {
    const context = { secret, requestId: id as string };
    const error = t.throws(() => decodeResponse(context, unsigned), { instanceOf: OptionError });
    t.is(error?.option, 'requestId');
  });
}

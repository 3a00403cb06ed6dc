// Makes crates/fuzz/seeds from the vectors: run it when these or the layout of inputs change.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = new URL('..', import.meta.url);
const LARGEST = 1500;

const vectors = (file) =>
  readFileSync(new URL(`__test__/vectors/${file}`, root), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

function write(target, seeds) {
  const folder = new URL(`crates/fuzz/seeds/${target}/`, root);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  let count = 0;
  for (const [name, bytes] of seeds) {
    if (bytes.length > LARGEST) continue;
    const slug = name.replace(/[^a-zA-Z0-9]+/g, '-').replace(/^-|-$/g, '');
    writeFileSync(new URL(slug, folder), bytes);
    count++;
  }
  console.log(`${fileURLToPath(folder)}: ${count} seeds`);
}

const some = (list, count) =>
  list.filter((_, index) => index % Math.ceil(list.length / count) === 0);
const bytes = (...parts) =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))),
  );
const chunk = (part) => bytes(Buffer.byteLength(part), part);

const terms = [
  ...vectors('terms/named.jsonl'),
  ...vectors('terms/foreign.jsonl'),
  ...some(vectors('terms/random.jsonl'), 20).map((line, index) => ({
    name: `random ${index}`,
    ...line,
  })),
  ...some(vectors('terms/mutations.jsonl'), 40).map((line, index) => ({
    ...line,
    name: `mutation ${index}`,
  })),
]
  .filter(({ etf }) => typeof etf === 'string')
  .map(({ name, etf }) => [String(name), Buffer.from(etf, 'base64')])
  .filter(([, term]) => term.length < 700);
const kinds = new Map();
// One of each kind (`int 1`, `int 2`, …) and size is enough.
for (const [name, term] of terms) {
  kinds.set(
    /random|mutation/.test(name)
      ? name
      : `${name.replace(/[ \d]+$/, '')} ${term[1]} ${term.length >> 3}`,
    term,
  );
}
const chosen = [...kinds];
write(
  'decode',
  chosen.map(([name, term]) => [name, bytes(0, 0, 0, 0, term)]),
);

const texts = [
  "{'a\\x{65e5}\\n\\^A\\101',$\\s,$a,-1_000,36#zZ,1.5e-3}",
  '#{a => [1,2|x],"k" => fun m:f/1,<<>> => {}} % end',
  '<<1:3,-5:12/little,"gr\u00fcn"/utf8,"a":16,1.5:32/float,16#1F44D/utf16-little>>',
  '[{a,1},{nil,2}]. % keywords',
  "#{'__struct__' => 'Elixir.Date',day => 24}",
  '[1|[2|"ab"]]',
  '"a" "\\e#{b}"',
  `16#${'f'.repeat(100)}`,
  '9'.repeat(100),
  '<0.1.2>',
];
write('notation', [
  ...texts.map((text, index) => [`text-${index}`, bytes(1, ...Buffer.from(text))]),
  ...chosen.map(([name, term]) => [name, bytes(3, term)]),
]);

// Floats, latin1, utf16, text, source, names, and terms or words.
const areas = (floats, text) =>
  bytes(floats.length, ...floats, chunk(text), chunk(text), chunk(text), chunk(text));
write('encode', [
  [
    'structured',
    bytes(5, 0, 1, areas([2, 3, 9], 'abcdefgh'), 0, 0x53, 0x00, 5, 0, 0, 0, 0x14, 0x24, 0x3f, 0x31),
  ],
  ['object', bytes(5, 0, 1, areas([], 'abcdefgh'), 0, 0x12, 0x31, 0x35, 0x32, 0x16)],
  ['map', bytes(5, 0, 1, areas([], 'abcdefgh'), 1, 0x2a, 0x16, 0x15, 0x06, 0x25)],
  [
    'identifiers',
    bytes(
      5,
      0,
      1,
      areas([], 'abc'),
      0,
      0x57,
      0x2e,
      0,
      1,
      1,
      0,
      0,
      0,
      2,
      0,
      0,
      0,
      3,
      0,
      0,
      0,
      0x4e,
      2,
      0,
      0x3e,
      0,
      1,
    ),
  ],
  ['fun', bytes(5, 0, 1, areas([], 'abc'), 0, 0x6e, 1, 2, 0, 0, 0, 0, 0x10, 0x20, 0x2e, 0, 1)],
  [
    'mixed',
    bytes(5, 0, 1, areas([], 'abcdef'), 1, 0x7e, 0, 0x15, 0x25, 0x35, 2, 0x31, 0x15, 0x41, 0x25),
  ],
  ['inline', bytes(5, 0, 1, areas([], 'abc'), 0, 0x27, 0xae, 0, 5 << 2, 'abcde\0\0\0', 0xae, 0, 0)],
  ['form', bytes(5, 0, 1, areas([], 'abc'), 0, 0x27, 0xbe, 2, 0, 0x1f, 0xbe, 1, 0, 0x1f)],
  [
    'doubles',
    bytes(5, 0, 1, areas([9, 2, 3], 'abcdef'), 0, 0x37, 0xce, 2, 0xde, 1, 0xbe, 2, 2, 0xde, 1),
  ],
  [
    'words',
    bytes(
      5,
      0,
      0,
      areas([9], 'abc'),
      0,
      0x37,
      0,
      0,
      0,
      0x05,
      0,
      0,
      0,
      0x15,
      0,
      0,
      0,
      0x25,
      0,
      0,
      0,
    ),
  ],
  [
    'too large',
    bytes(
      2,
      0,
      1,
      areas([2], 'x'.repeat(200)),
      0,
      0xf3,
      0xff,
      0xff,
      0xf8,
      1,
      0xfd,
      2,
      0xfc,
      3,
      0x51,
    ),
  ],
]);

const text = 'a text of some length, a text of some length, a text of some length';
const packed = gzipSync(text);
const withFields = bytes(
  packed.subarray(0, 3),
  28,
  packed.subarray(4, 10),
  2,
  0,
  'ab',
  'name\0',
  'comment\0',
  packed.subarray(10),
);
write('gzip', [
  ['plain', bytes(7, 0, packed)],
  ['too large', bytes(1, 0, packed)],
  ['fields', bytes(7, 0, withFields)],
  ['stored', bytes(7, 0, gzipSync(text, { level: 0 }))],
  ['bomb', bytes(3, 0, gzipSync(Buffer.alloc(200_000), { level: 9 }))],
  ['members', bytes(7, 0, packed, packed)],
  [
    'dynamic',
    bytes(
      7,
      0,
      gzipSync(
        readFileSync(new URL('__test__/vectors/terms/foreign.jsonl', root)).subarray(0, 2500),
        { level: 9 },
      ),
    ),
  ],
  ['deflate', bytes(7, 3, text)],
  ['deflate small', bytes(7, 19, text)],
]);

const exchanges = vectors('wire/exchanges.jsonl');
const responses = vectors('wire/responses.jsonl');
const header = ({ headers }, name) => headers.find(([key]) => key === name)?.[1];
const etf = 'application/x-erlang-etf';
write('signature', [
  ['request', bytes(0)],
  ['response', bytes(1)],
  ['set', bytes(0, 0, 10, chunk('a date'))],
  ['append', bytes(0, 1, 2, chunk('SHA-256=x'))],
  ['remove', bytes(1, 2, 2)],
  ['flip', bytes(0, 3, 0, 200, 0)],
  ['flip response', bytes(1, 3, 1, 200, 0)],
  ['target', bytes(0, 4, 0, chunk('/backwater/1/module/function/1'))],
  ['method', bytes(0, 5, 0, 1, 0)],
  ['list', bytes(0, 6, 0, 40, 0, 10, chunk('headers="'))],
  ['move', bytes(1, 7, 2, 3)],
]);

const head = (first, headers) =>
  `${first}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
const items = Buffer.from('836c0000000161016a', 'hex');
const large = bytes(131, 'l', 0, 0, 0, 1, 'm', 0, 0, 1, 144, Buffer.alloc(400, 'x'), 'j');
const toSign = (path, headers, body, name = '', value = '') =>
  bytes(1, 0, ...[path, name, ...headers, value].map(chunk), 1, body);
write('request', [
  ...exchanges.map(({ name, request: { method, target, headers, body } }) => [
    name,
    bytes(0, head(`${method} ${target} HTTP/1.1`, headers), Buffer.from(body, 'base64')),
  ]),
  ['signed', toSign('m/f/1', [etf, '', etf, ''], items)],
  ['signed packed', toSign('m/f/1', [etf, 'gzip', etf, 'gzip'], gzipSync(items))],
  [
    'signed escaped',
    toSign('a%2Fb/%C3%A9/001', [etf, '', etf, ''], Buffer.from('836b000105', 'hex')),
  ],
  ['signed large', toSign('m/f/1', [etf, '', etf, 'gzip'], large)],
  [
    'signed parameters',
    toSign(
      'm/f/1',
      [
        `${etf}; charset=x`,
        'identity',
        `text/plain;q=0.1, ${etf};q=0.5`,
        'gzip;q=0.2,identity;q=0.1',
      ],
      large,
    ),
  ],
  ['signed others', toSign('m/f/1', ['text/plain', 'br', '*/*', 'br, *;q=0'], items)],
  ['signed metadata', toSign('m/f/1', [etf, '', etf, ''], items, 'a', '%C3%A9')],
]);
write('response', [
  ...responses.map(({ name, request, response: { status, headers, body } }) => [
    name,
    bytes(
      0,
      Buffer.from(header(request, 'x-request-id'), 'base64'),
      head(`HTTP/1.1 ${status} X`, headers),
      Buffer.from(body, 'base64'),
    ),
  ]),
  ['signed return', bytes(1, 0, 0, 0, 0, 1, Buffer.from('836802770672657475726e6101', 'hex'))],
  [
    'signed packed',
    bytes(1, 0, 0, 0, 1, 1, gzipSync(Buffer.from('836802770672657475726e6101', 'hex'))),
  ],
]);

// Type, flags, payload; in 8-byte pieces, and whole.
const frame = (type, flags, payload) => bytes(type, flags, chunk(payload));
const count = (number) => bytes(0, 0, 0, 0, 0, 0, 0, number);
const raised = bytes(131, 'h', 3, 'w', 5, 'error', 'w', 3, 'bad', 'j');
const lists = bytes(chunk(Buffer.from('6b000201ff', 'hex')), chunk('?'), chunk(items.subarray(1)));
write('stream', [
  ['body', bytes(0, 7, 0, 0, 0, 0, 0, 4, 0, Buffer.alloc(16))],
  ['forged', bytes(1, 7, 0, frame(1, 0, items), frame(4, 0, ''), frame(2, 0, count(1)))],
  ['forged exception', bytes(1, 255, 255, frame(1, 0, items), frame(3, 0, raised))],
  ['forged gzip', bytes(1, 255, 255, frame(1, 1, gzipSync(large)), frame(2, 0, count(1)))],
  [
    'forged bomb',
    bytes(1, 255, 255, frame(1, 1, gzipSync(Buffer.alloc(200_000), { level: 9 }).subarray(0, 255))),
  ],
  ['forged unknown', bytes(1, 0, 0, frame(5, 2, 'abc'))],
  ['forged count', bytes(1, 0, 0, frame(1, 0, items), frame(2, 0, count(2)))],
  ['forged empty', bytes(1, 0, 0, frame(1, 0, Buffer.of(131, 106)))],
  ['forged after the end', bytes(1, 0, 0, frame(2, 0, count(0)), frame(4, 0, ''))],
  ['drop', bytes(2, 7, 0, 0, 1, 0, lists)],
  ['repeat', bytes(2, 7, 0, 1, 1, 0, lists)],
  ['swap', bytes(2, 7, 0, 10, 1, 0, lists)],
  ['flip', bytes(2, 255, 255, 27, 2, 0, lists)],
]);

// The number's square, plus one, is how often a part is repeated.
const parts = (kind, ...list) =>
  bytes(kind, ...list.map(([times, part]) => bytes(times, chunk(part))));
const requestStart =
  'POST /backwater/1/m/f/1 HTTP/1.1\r\nhost: x\r\ndigest: x\r\nx-request-id: y\r\n';
const responseStart = 'HTTP/1.1 200 X\r\ndigest: x\r\nx-request-id: c2l4dGVlbiBieXRlcyBpZA==\r\n';
const listed = (name, pseudo, list) => [
  [0, `${name}keyId="default",algorithm="hmac-sha256",headers="${pseudo} digest x-request-id`],
  ...list,
  [0, `",signature="${'A'.repeat(43)}="\r\n`],
];
const inRequest = (...list) => listed('authorization: Signature ', '(request-target)', list);
const inResponse = (...list) => listed('signature: ', '(response-status)', list);
const END = [0, '\r\n'];
const longHeader = [
  [0, 'a: '],
  [80, 'xxxx'],
  [0, '\r\n'],
];
write('cost', [
  ['request', parts(0, [0, requestStart], ...inRequest(), END)],
  ['request listed', parts(0, [0, requestStart], ...longHeader, ...inRequest([120, ' a']), END)],
  ['request missing', parts(0, [0, requestStart], ...inRequest([120, ' ab']), END)],
  ['request name', parts(0, [0, requestStart], ...inRequest([0, ' '], [180, 'x']), END)],
  ['request headers', parts(0, [0, requestStart], [9, 'b: c\r\n'], ...inRequest([0, ' b']), END)],
  [
    'request parameters',
    parts(
      0,
      [0, requestStart],
      [0, 'authorization: Signature '],
      [90, 'a="",'],
      [0, 'b=""\r\n'],
      END,
    ),
  ],
  ['response', parts(1, [0, responseStart], ...inResponse(), END)],
  ['response listed', parts(1, [0, responseStart], ...longHeader, ...inResponse([120, ' a']), END)],
  ['response missing', parts(1, [0, responseStart], ...inResponse([120, ' ab']), END)],
  ['path', parts(2, [0, 'm/'], [100, '%C3%A9'], [0, '/0'])],
  ['path arity', parts(2, [0, 'm/f/'], [200, '0'])],
  ['body', parts(3, [0, Buffer.of(131, 108, 0, 0, 0x64, 0x01)], [160, 'a\x01'], [0, 'j'])],
  ['body nested', parts(3, [0, Buffer.of(131)], [90, 'h\x01'], [0, 'j'])],
]);

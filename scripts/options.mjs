// Derives docs/options.md and the properties of interfaces from the tables of options in src/.
// Reads build/, and writes the page when run.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = fileURLToPath(new URL('..', import.meta.url));
const PAGE = 'docs/options.md';

/** Title, purpose, and tables, or interfaces for required options. */
const SECTIONS = [
  ['Clients', 'Options of `new Client()`.', 'client/options', ['ClientOptions', 'clientTable']],
  [
    'Calls',
    'Options of `client.call()`, `tryCall()` and `call()`.',
    'client/options',
    ['callTable'],
  ],
  [
    'Streams',
    'Options of `client.stream()` and `client.streams()`.',
    'client/options',
    ['streamTable'],
  ],
  ['TLS of clients', 'The option `tls` of a client.', 'options/tls', ['tlsClientTable']],
  [
    'Servers',
    'Options of `startClearServer()` and `startTlsServer()`.',
    'server/options',
    ['serverTable'],
  ],
  ['Closing servers', 'Options of `server.close()`.', 'server/options', ['closeTable']],
  [
    'TLS of servers',
    'The option `tls` of a server.',
    'options/tls',
    ['TlsCertificate', 'clientCaTable'],
  ],
  ['expose', 'Options of `expose()`.', 'server/expose', ['ExposeOptions']],
  [
    'expose.fn',
    'Options of `expose.fn()`.',
    'server/expose',
    ['ExposeFunctionOptions', 'ExposeContextOptions', 'ExposeSchemaOptions'],
  ],
  ['encode', 'Options of `encode()`.', 'codec/options', ['encodeTable']],
  ['decode', 'Options of `decode()` and `fromErlang()`.', 'codec/options', ['decodeTable']],
  [
    'toErlang and toElixir',
    'Options of `toErlang()` and `toElixir()`. Only the latter takes `structs`.',
    'codec/options',
    ['toElixirTable'],
  ],
  ['elixir', 'Options of `elixir()`.', 'elixir/elixir', ['elixirTable']],
  ['encodeRequest', 'Options of `encodeRequest()`.', 'http/options', ['encodeRequestTable']],
];

/** Writes properties into the interfaces, because editors show no doc comments of mapped types. */
export function writeOutInterfaces(root) {
  for (const name of declarations(root)) {
    const path = join(root, 'build', `${name}.d.ts`);
    const text = readFileSync(path, 'utf8');
    const written = text.replace(
      /(interface \w+)( extends (?:\w+, )*)OptionsOf<typeof (\w+)> \{/g,
      (_, head, others, table) => {
        const extended = others.replace(/,? $/, '');
        const properties = declared(root, name, table).map(propertyOf);
        return `${head}${extended === ' extends' ? '' : extended} {\n${properties.join('')}`;
      },
    );
    if (written !== text) writeFileSync(path, written);
  }
}

function propertyOf({ name, type, doc, takes, defaultValue }) {
  const lines = [...doc];
  if (takes !== 'true or false' && !takes.startsWith("'")) lines.push('', `Takes ${takes}.`);
  if (defaultValue !== undefined) lines.push('', `@defaultValue ${defaultValue}`);
  const comment = lines.map((line) => `     * ${line}`.trimEnd());
  const union = type.endsWith('undefined') ? type : `${type} | undefined`;
  return `    /**\n${comment.join('\n')}\n     */\n    readonly ${name}?: ${union};\n`;
}

export async function optionsPage(root = home) {
  const { format, resolveConfig } = await import('prettier');
  const seen = new Map();
  const complete = new Map();
  const parts = SECTIONS.map(([title, purpose, path, sources]) => {
    const names = new Set();
    const options = sources
      .flatMap((source) => declared(root, path, source))
      .filter(({ name }) => !names.has(name) && names.add(name));
    const given = new Set(options.map(({ option }) => option));
    const [whole, included = []] =
      [...complete].findLast(([, all]) => all.every((option) => given.has(option))) ?? [];
    if (!given.has(undefined)) complete.set(title, [...given]);
    const repeated = new Map();
    for (const { option, name } of options) {
      const section = seen.get(option);
      if (section !== undefined && !included.includes(option))
        repeated.set(section, [...(repeated.get(section) ?? []), `\`${name}\``]);
    }
    const rows = options.filter(({ option }) => !seen.has(option)).map(itemOf);
    for (const { option } of options) if (option && !seen.has(option)) seen.set(option, title);
    const linkTo = (section) => `[${section}](#${section.toLowerCase().replaceAll(' ', '-')})`;
    const also = [...repeated].map(
      ([section, list]) => `${list.join(', ')} (see ${linkTo(section)})`,
    );
    if (whole !== undefined) also.unshift(`all of ${linkTo(whole)}`);
    const others = also.length > 0 ? ` More options: ${also.join(', ')}.` : '';
    return `## ${title}\n\n${purpose}${others}\n\n${rows.join('\n')}\n`;
  });
  const intro = `# Options

Reference of every option: the values that it takes, its default and what it does. (ms) stands for 1 to 2³¹−1
milliseconds or \`Infinity\`. \`undefined\` means the default, and \`Infinity\` no limit unless the text says otherwise. An
invalid value or an unknown name throws an [\`OptionError\`](errors.md#err_backwater_option).
<!-- Written by \`npm run options\`. -->
`;
  const path = join(root, PAGE);
  return format([intro, ...parts].join('\n'), { ...(await resolveConfig(path)), filepath: path });
}

function itemOf({ name, type, doc, takes, defaultValue }) {
  const paragraph = doc.join('\n').split('\n\n')[0].replaceAll('\n', ' ');
  const sentence = paragraph
    .replace(/\{@link ([\w.]+)\}/g, '`$1`')
    .replace(/docs\/(\w+\.md)/g, '[$1]($1)')
    // The unit precedes the sentence.
    .replace(/, in (milli|micro)seconds/, '');
  const facts = [shortened(takes) ?? takenBy(type), defaultOf(defaultValue)].filter(Boolean);
  return `- \`${name}\` (${facts.join(', ')}): ${sentence}`;
}

function defaultOf(value) {
  if (value === undefined || value === 'required') return value;
  if (value === 'none') return undefined;
  return `default: ${/^('.*'|true|false|Infinity)$/.test(value) ? `\`${value}\`` : value}`;
}

/** `an integer from 1 to 1000 (bytes)` as the page has it: `1 to 1,000 bytes`; undefined if too long. */
function shortened(takes) {
  if (takes === 'true or false') return '`boolean`';
  const text = takes
    ?.replace(TIME, 'ms')
    .replace(/^an integer from (\d+) to (\d+)(?: \((\w+)\))?/, (_, min, max, unit = '') =>
      `${numberText(min)} to ${numberText(max)} ${UNITS[unit] ?? unit}`.trim(),
    )
    .replace(/^'\w+'(?= or )|(?<= or )'\w+'/g, '`$&`');
  return text?.length > MAX_LENGTH ? undefined : text;
}

const MAX_LENGTH = 60;
const TIME = 'an integer from 1 to 2147483647 (milliseconds) or Infinity';
const UNITS = { milliseconds: 'ms', microseconds: 'µs' };

function numberText(digits) {
  const power = Math.log2(Number(digits) + 1);
  if (power < 20 || !Number.isInteger(power)) return documented(Number(digits));
  return `2${Array.from(String(power), (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit]).join('')}−1`;
}

function takenBy(type) {
  if (type.startsWith("DecodeOptions['binaries']"))
    return shortened(
      createRequire(import.meta.url)(join(home, 'build/codec/options.js')).binaries.takes,
    );
  return `\`${type
    .replaceAll('readonly ', '')
    .replace(/import\("[^"]*"\)\./g, '')
    .replace('Name', 'string')
    .replace(/ \| undefined$/, '')}\``;
}

function declared(root, path, source) {
  return entriesOf(root, path, source).map((entry) => {
    // Tables without comments take their options from another file.
    const comment = entry.comment ?? commentsOf(root).get(entry.option);
    if (comment === undefined) throw new Error(`${source} does not document ${entry.name}`);
    const [text, stated] = comment.split(/\n*@defaultValue /);
    const fallback = entry.option && documented(entry.option.fallback);
    return {
      ...entry,
      doc: text.split('\n'),
      takes: entry.option?.type.takes,
      defaultValue:
        stated?.replaceAll('\n', ' ') ?? fallback ?? (entry.required ? 'required' : undefined),
    };
  });
}

function entriesOf(root, path, source) {
  const text = readFileSync(join(root, 'build', `${path}.d.ts`), 'utf8');
  const block = new RegExp(`(?:const|interface|type) ${source}\\b[^{]*\\{\\n(.*?)^\\}`, 'ms').exec(
    text,
  )?.[1];
  if (block === undefined) throw new Error(`${path} declares no ${source}`);
  const table = createRequire(import.meta.url)(join(root, 'build', `${path}.js`))[source];
  const entries = block.matchAll(
    /(?: {4}\/\*\*((?:(?!\*\/).)*)\*\/\n)? {4}(?:readonly )?(\w+)(\??): (?:(?:import\("[^"]*"\)\.)?Option<([^\n]*)>|([^\n]*));\n/gs,
  );
  return Array.from(entries, ([, comment, name, mark, ofOption, ofInterface]) => ({
    name,
    type: ofOption ?? ofInterface,
    required: ofInterface !== undefined && mark === '',
    comment: comment?.replace(/^\s*\* ?/gm, '').trim(),
    option: table?.[name],
  }));
}

let comments;

function commentsOf(root) {
  if (comments !== undefined) return comments;
  comments = new Map();
  for (const path of declarations(root)) {
    const text = readFileSync(join(root, 'build', `${path}.d.ts`), 'utf8');
    for (const [, table] of text.matchAll(/const (\w+): \{\n(?=[^}]*Option<)/g)) {
      for (const { option, comment } of entriesOf(root, path, table)) {
        if (comment !== undefined && !comments.has(option)) comments.set(option, comment);
      }
    }
  }
  return comments;
}

function declarations(root) {
  return readdirSync(join(root, 'build'), { recursive: true })
    .filter((name) => name.endsWith('.d.ts'))
    .map((name) => name.slice(0, -'.d.ts'.length));
}

export function documented(value) {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'number') return value.toLocaleString('en-US').replace('∞', 'Infinity');
  return value?.toString();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(join(home, PAGE), await optionsPage());
}

import { native } from '../platform/native.js';
import type { Command, FlagTable } from './command.js';
import { EXIT_MEANINGS } from './exit.js';

export function version(): string {
  return native.VERSION;
}

export function overview(commands: readonly Command[]): string {
  return [
    'Call functions across Node.js, Erlang and Elixir, signed with a shared secret',
    '',
    'Usage: backwater COMMAND [OPTIONS]',
    ...section('Examples', [
      '  $ backwater secret --write secret',
      '  $ backwater serve string.js --secret-file secret',
      `  $ backwater call 127.0.0.1 string to_upper '"hello"' --secret-file secret`,
    ]),
    ...section(
      'Commands',
      columns([
        ...commands.map(({ name, summary }) => [name, summary] as const),
        ['help COMMAND', 'Show the help of a command'],
      ]),
    ),
    ...section('Options', flagLines({ version: { short: 'v', help: 'show the version' } })),
    ...section('Exit status', columns(Object.entries(EXIT_MEANINGS))),
  ].join('\n');
}

export function commandHelp(command: Command): string {
  const { name, summary, usage, details = [], flags, connection, examples } = command;
  const common = { verbose: { help: 'show the stacks of errors' } };
  return [
    summary,
    '',
    `Usage: backwater ${name} ${usage}`,
    ...section(
      'Examples',
      examples.flatMap(([line, what], index) => [
        ...(index === 0 ? [] : ['']),
        `  # ${what}`,
        `  $ backwater ${line}`,
      ]),
    ),
    ...details.flatMap((paragraph) => ['', ...wrapped(paragraph, 0)]),
    ...section('Options', flagLines({ ...flags, ...common })),
    ...(connection === undefined ? [] : section('Connection', flagLines(connection, false))),
  ].join('\n');
}

function section(title: string, lines: readonly string[]): string[] {
  return ['', `${title}:`, ...lines];
}

function flagLines(flags: FlagTable, hasHelp = true): string[] {
  const all = hasHelp ? { ...flags, help: { short: 'h', help: 'show this help' } } : flags;
  const rows = Object.entries(all).map(
    ([name, { value, short, help }]: [string, FlagTable[string]]): [string, string] => {
      const letter = short === undefined ? '    ' : `-${short}, `;
      return [`${letter}--${name}${value === undefined ? '' : ` ${value}`}`, help];
    },
  );
  return columns(rows);
}

const WIDTH = 92;

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([first]) => first.length)) + 2;
  return rows.flatMap(([first, second]) => {
    const [line = '', ...more] = wrapped(second, width + 2);
    return [`  ${first.padEnd(width)}${line.trimStart()}`, ...more];
  });
}

function wrapped(text: string, margin: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && margin + line.length + 1 + word.length > WIDTH) {
      lines.push(' '.repeat(margin) + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, ' '.repeat(margin) + line];
}

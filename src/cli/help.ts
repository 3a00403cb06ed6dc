import { native } from '../platform/native.js';
import type { Command, FlagTable } from './command.js';

/** The version of this package. */
export function version(): string {
  return native.VERSION;
}

/** What the program can do. */
export function overview(commands: readonly Command[]): string {
  return [
    'Calls between Node.js, Erlang and Elixir, signed with a shared secret.',
    '',
    'usage: backwater COMMAND …',
    '',
    ...columns(commands.map(({ name, summary }) => [name, summary])),
    ...columns([['help COMMAND', 'says more about a command, with examples']]),
    '',
    '  --version, --help',
    '',
    'exit status: 0 done, 1 the remote function raised, 2 wrong usage, 3 the server refused,',
    '  4 no connection, 5 timeout, 6 not authentic, 7 no answer that can be read,',
    '  8 no binary for this platform',
  ].join('\n');
}

/** Everything about a command. */
export function commandHelp(command: Command): string {
  const { name, summary, usage, details = [], flags, examples } = command;
  return [
    summary,
    '',
    `usage: backwater ${name} ${usage}`,
    ...details.flatMap((paragraph) => ['', ...wrapped(paragraph, 0)]),
    '',
    ...flagLines(flags),
    '',
    'examples:',
    ...examples.flatMap(([line, what]) => ['', `  # ${what}`, `  backwater ${line}`]),
  ].join('\n');
}

function flagLines(flags: FlagTable): string[] {
  const rows = Object.entries({
    ...flags,
    verbose: { help: 'errors with their stack' },
    help: { help: 'this text' },
  } satisfies FlagTable).map(
    ([name, { value, short, help }]: [string, FlagTable[string]]): [string, string] => {
      const letter = short === undefined ? '' : `-${short}, `;
      return [`${letter}--${name}${value === undefined ? '' : ` ${value}`}`, help];
    },
  );
  return columns(rows);
}

const WIDTH = 92;

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(16, ...rows.map(([first]) => first.length)) + 2;
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

import { parseArgs, type ParseArgsConfig } from 'node:util';
import { bench } from './bench.js';
import { call } from './call.js';
import { type Command, type Flags } from './command.js';
import { decodeCommand } from './decode.js';
import { doctor } from './doctor.js';
import { encodeCommand } from './encode.js';
import { EXIT } from './exit.js';
import { commandHelp, overview, version } from './help.js';
import { secret } from './secret.js';
import { serve } from './serve.js';
import type { Terminal } from './terminal.js';
import { UsageError } from './usage-error.js';

const COMMANDS: readonly Command[] = [
  secret,
  serve,
  call,
  encodeCommand,
  decodeCommand,
  bench,
  doctor,
];

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined) {
    terminal.note(overview(COMMANDS));
    return EXIT.usage;
  }
  if (name === '--version' || name === '-v') {
    terminal.print(version());
    return EXIT.ok;
  }
  if (name === 'help' || name === '--help' || name === '-h') {
    const about = rest.find((word) => !word.startsWith('-'));
    terminal.print(about === undefined ? overview(COMMANDS) : commandHelp(find(about)));
    return EXIT.ok;
  }
  const command = find(name);
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.print(commandHelp(command));
    return EXIT.ok;
  }
  try {
    const { args, flags } = parse(command, rest);
    return await command.run(args, flags, terminal);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const advice = `; see 'backwater ${command.name} --help'`;
    throw new UsageError(error.message + advice, { cause: error.cause ?? error });
  }
}

function find(name: string): Command {
  const command = COMMANDS.find((one) => one.name === name);
  if (command !== undefined) return command;
  const known = COMMANDS.map((one) => one.name).join(', ');
  throw new UsageError(`unknown command '${name}'; the commands are ${known} and help`);
}

function parse(command: Command, argv: readonly string[]): { args: string[]; flags: Flags } {
  if (argv.some((word) => /^--?secret(=|$)/.test(word))) {
    throw new UsageError(
      'a secret on the command line is visible to every user of this machine: ' +
        'use --secret-file PATH or the environment variable BACKWATER_SECRET',
    );
  }
  const options: NonNullable<ParseArgsConfig['options']> = { verbose: { type: 'boolean' } };
  const table = { ...command.flags, ...command.connection };
  for (const [name, { value, short, multiple }] of Object.entries(table)) {
    options[name] = {
      type: value === undefined ? 'boolean' : 'string',
      multiple: multiple === true,
      ...(short === undefined ? {} : { short }),
    };
  }
  try {
    const { positionals, values } = parseArgs({
      args: argv.map(marked),
      options,
      allowPositionals: true,
      strict: true,
    });
    return { args: positionals.map(unmarked), flags: flagsOf(values) };
  } catch (error) {
    throw new UsageError((error as Error).message.split('. To specify')[0]!, { cause: error });
  }
}

/** Protects negative numbers from being parsed as flags. */
function marked(word: string): string {
  return /^-\.?\d/.test(word) ? `\0${word}` : word;
}

function unmarked(word: string): string {
  return word.startsWith('\0') ? word.slice(1) : word;
}

function flagsOf(values: Readonly<Record<string, unknown>>): Flags {
  return {
    text: (name) => {
      const text = values[name] as string | undefined;
      return text === undefined ? undefined : unmarked(text);
    },
    list: (name) => ((values[name] as string[] | undefined) ?? []).map(unmarked),
    has: (name) => values[name] === true,
  };
}

import { encode } from '../codec/encode.js';
import { choiceOf, type Command, takeArgs } from './command.js';
import { EXIT } from './exit.js';
import { readText } from './input.js';
import { inputFlags, readValue } from './values.js';

/** `backwater encode` */
export const encodeCommand: Command = {
  name: 'encode',
  summary: "writes a value in Erlang's external term format",
  usage: '[FILE]',
  details: [
    'Reads a value in JSON, or with --erlang in Erlang syntax, from FILE or stdin (-, or no FILE).',
  ],
  flags: {
    ...inputFlags,
    to: { value: 'FORM', help: 'raw, base64 or hex (raw)' },
  },
  examples: [
    [`encode value.json > value.etf`, 'a file of JSON'],
    [`encode --erlang --to base64 <<< '{ok, #{a => 1}}'`, 'an Erlang term'],
  ],
  async run(args, flags, terminal) {
    takeArgs(args, args.length === 0 ? [] : ['FILE']);
    const path = args[0] ?? '-';
    const value = readValue(readText(path, 'the value'), flags, path === '-' ? 'stdin' : path);
    const bytes = encode(value, { objectKeys: flags.has('atom-keys') ? 'atom' : 'binary' });
    const form = choiceOf(flags, 'to', ['raw', 'base64', 'hex']);
    terminal.print(form === 'raw' ? bytes : bytes.toString(form));
    return EXIT.ok;
  },
};

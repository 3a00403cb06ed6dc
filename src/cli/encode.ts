import { encode } from '../codec/encode.js';
import { choiceOf, type Command, takeArgs } from './command.js';
import { EXIT } from './exit.js';
import { readText } from './input.js';
import { inputFlags, readValue } from './values.js';

export const encodeCommand: Command = {
  name: 'encode',
  summary: 'Convert JSON or Erlang syntax to the external term format',
  usage: '[FILE] [OPTIONS]',
  details: ['Reads one value from FILE, or from stdin if FILE is - or missing.'],
  flags: {
    ...inputFlags,
    to: { value: 'FORM', help: 'output as raw, base64 or hex (default raw)' },
  },
  examples: [
    [`encode value.json > value.etf`, 'Convert a JSON file'],
    [`encode --erlang --to base64 <<< '{ok, #{a => 1}}'`, 'Convert an Erlang term'],
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

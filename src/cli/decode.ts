import { decode } from '../codec/decode.js';
import { choiceOf, type Command, takeArgs } from './command.js';
import { EXIT } from './exit.js';
import { readInput } from './input.js';
import { formatOf, outputFlags, printed, termsFor } from './values.js';
import { UsageError } from './usage-error.js';

export const decodeCommand: Command = {
  name: 'decode',
  summary: 'Print a value in the external term format',
  usage: '[FILE] [OPTIONS]',
  details: ['Reads the output of term_to_binary from FILE, or from stdin if FILE is - or missing.'],
  flags: {
    ...outputFlags,
    from: { value: 'FORM', help: 'input as raw, base64 or hex (default raw)' },
  },
  examples: [
    ['decode value.etf', 'Print JSON'],
    ['decode --from base64 --output elixir <<< g2gCdwJva2EB', 'Print Elixir syntax'],
  ],
  async run(args, flags, terminal) {
    takeArgs(args, args.length === 0 ? [] : ['FILE']);
    const form = choiceOf(flags, 'from', ['raw', 'base64', 'hex']);
    const content = readInput(args[0] ?? '-', 'the value');
    const bytes = form === 'raw' ? content : fromText(content.toString('latin1'), form);
    const format = formatOf(flags);
    terminal.print(
      printed(decode(bytes, { terms: termsFor(format), compressed: true }), format, terminal),
    );
    return EXIT.ok;
  },
};

function fromText(text: string, form: 'base64' | 'hex'): Buffer {
  const plain = text.replace(/\s+/g, '');
  const pattern = form === 'hex' ? /^(?:[0-9a-f]{2})*$/i : /^[A-Za-z0-9+/_-]*={0,2}$/;
  if (!pattern.test(plain)) throw new UsageError(`the input is not ${form}`);
  return Buffer.from(plain, form);
}

import { RemoteException } from '../errors/errors.js';
import type { Term } from '../terms/index.js';
import { type Command, takeArgs, timeOf } from './command.js';
import { EXIT, messageOf } from './exit.js';
import { clientFlags, clientOf } from './target.js';
import { UsageError } from './usage-error.js';
import { formatOf, inputFlags, outputFlags, printed, readArguments, termsFor } from './values.js';

export const call: Command = {
  name: 'call',
  summary: 'Call a function and print its result',
  usage: 'URL MODULE FUNCTION [ARGUMENT...] [OPTIONS]',
  details: [
    'Each ARGUMENT is a JSON value, or a term in Erlang syntax with --erlang. A single array is taken as the list of all arguments, so write [[1, 2]] to pass one list. An argument of - is read from stdin.',
    'JSON cannot express every result: atoms become strings, tuples arrays, bytes that are not text {"base64": "..."}, and maps with other keys arrays of pairs. Use --output js, elixir or erlang for a result to paste into Node.js, iex or erl.',
    'With --stream, each item of the result is printed on its own line as it arrives. The function ends when the command does, for example when the reader of a pipe stops.',
    'If the function raises an exception, it is printed to stderr, and the exit status is 1.',
  ],
  flags: {
    ...inputFlags,
    ...outputFlags,
    stream: { help: 'print the items of the result as they arrive, one per line' },
    'idle-timeout': {
      value: 'TIME',
      help: 'limit for waiting for an item with --stream (default 30s)',
    },
  },
  connection: clientFlags,
  examples: [
    [`call 127.0.0.1 string to_upper '"hello"' --secret-file secret`, 'Pass a string'],
    [`call 127.0.0.1 math add 1 -2 --secret-file secret`, 'Pass two numbers'],
    [
      `call 10.0.0.1 lists reverse '[[1, {ok, "x"}]]' --erlang -o erlang --secret-file secret`,
      'Pass and print Erlang terms',
    ],
    [`call 127.0.0.1 log tail 10 --stream --secret-file secret`, 'Print items as they arrive'],
    [
      `call https://10.0.0.1:8443 orders find 42 --ca ca.pem --timeout 2s --secret-file secret`,
      'Call over TLS',
    ],
  ],
  async run(args, flags, terminal) {
    const [url, module, fn, ...texts] = takeArgs(args, ['URL', 'MODULE', 'FUNCTION'], true);
    const values = readArguments(texts, flags);
    const idleTimeout = timeOf(flags, 'idle-timeout');
    const isStream = flags.has('stream');
    if (idleTimeout !== undefined && !isStream) {
      throw new UsageError('--idle-timeout needs --stream');
    }
    const format = formatOf(flags);
    const client = clientOf(url!, flags, {
      terms: termsFor(format),
      objectKeys: flags.has('atom-keys') ? 'atom' : 'binary',
    });
    try {
      if (isStream) {
        const items = client.stream(module!, fn!, values, { idleTimeout });
        for await (const item of items)
          await terminal.printItem(printed(item, format, terminal, true));
      } else {
        terminal.print(printed(await client.call(module!, fn!, values), format, terminal));
      }
      return EXIT.ok;
    } catch (error) {
      if (!(error instanceof RemoteException)) throw error;
      const exact = termsFor(format) === 'exact';
      const reason = exact
        ? `remote ${error.class}: ${printed(error.reason as Term, format, terminal)}`
        : messageOf(error, false);
      const what = flags.has('verbose') ? messageOf(error, true) : reason;
      terminal.note(`${terminal.noteStyle('backwater:', 'red')} ${what}`);
      return EXIT.exception;
    } finally {
      await client.close();
    }
  },
};

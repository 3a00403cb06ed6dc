import { RemoteException } from '../errors/errors.js';
import type { Term } from '../terms/index.js';
import { type Command, takeArgs } from './command.js';
import { EXIT, messageOf } from './exit.js';
import { clientFlags, clientOf } from './target.js';
import { formatOf, inputFlags, outputFlags, printed, readArguments, termsFor } from './values.js';

/** `backwater call` */
export const call: Command = {
  name: 'call',
  summary: 'calls a function and prints what it returns',
  usage: 'URL MODULE FUNCTION [ARGUMENT…]',
  details: [
    'Each argument is a value in JSON, or with --erlang a term in Erlang syntax. A single argument that is an array (a list) has all arguments in it: a function of one list is called with [[1, 2]]. The argument - is read from stdin. Results that JSON cannot hold are written near to it: atoms as strings, tuples as arrays, bytes that are no text as {"base64": "…"}, maps with other keys as arrays of pairs.',
    'The exit status is 1 when the function raised an exception, which is printed to stderr.',
  ],
  flags: { ...inputFlags, ...outputFlags, ...clientFlags },
  examples: [
    [`call http://127.0.0.1:8080 string to_upper '["hello"]' --secret-file secret`, 'a string'],
    [`call http://127.0.0.1:8080 math add 1 -2 --secret-file secret`, 'two numbers'],
    [
      `call 10.0.0.1 lists reverse '[[1, {ok, "x"}]]' --erlang --output erlang --secret-file secret`,
      'Erlang terms both ways',
    ],
    [`call https://10.0.0.1:8443 m f --ca ca.pem < secret --secret-file -`, 'over TLS'],
  ],
  async run(args, flags, terminal) {
    const [url, module, fn, ...texts] = takeArgs(args, ['URL', 'MODULE', 'FUNCTION'], true);
    const values = readArguments(texts, flags);
    const format = formatOf(flags);
    const client = clientOf(url!, flags, {
      terms: termsFor(format),
      objectKeys: flags.has('atom-keys') ? 'atom' : 'binary',
    });
    try {
      terminal.print(printed(await client.call(module!, fn!, values), format, terminal));
      return EXIT.ok;
    } catch (error) {
      if (!(error instanceof RemoteException)) throw error;
      const exact = termsFor(format) === 'exact';
      const reason = exact
        ? `${error.class}: ${printed(error.reason as Term, format, terminal)}`
        : messageOf(error, false).replace(/^remote exception /, '');
      const what = flags.has('verbose') ? messageOf(error, true) : `the function raised ${reason}`;
      terminal.note(`${terminal.noteStyle('backwater:', 'red')} ${what}`);
      return EXIT.exception;
    } finally {
      await client.close();
    }
  },
};

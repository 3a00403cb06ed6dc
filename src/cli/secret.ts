import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type Command, numberOf, takeArgs } from './command.js';
import { EXIT } from './exit.js';
import { UsageError } from './usage-error.js';

/** `backwater secret` */
export const secret: Command = {
  name: 'secret',
  summary: 'makes a new secret',
  usage: '[--write PATH] [--bytes N]',
  details: ['Prints random bytes in base64, to be given to server and clients alike.'],
  flags: {
    write: { value: 'PATH', help: 'write it to a new file that only you can read' },
    bytes: { value: 'N', help: 'how many random bytes, 16 to 1024 (32)' },
  },
  examples: [
    ['secret --write secret', 'a secret in a file'],
    ['secret', 'a secret on the screen'],
  ],
  async run(args, flags, terminal) {
    takeArgs(args, []);
    const bytes = numberOf(flags, 'bytes', { min: 16, max: 1024 }) ?? 32;
    const text = randomBytes(bytes).toString('base64');
    const path = flags.text('write');
    if (path === undefined) {
      terminal.print(text);
      return EXIT.ok;
    }
    try {
      // Never over another secret, which would be lost.
      writeFileSync(path, `${text}\n`, { flag: 'wx', mode: 0o600 });
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const reason = code === 'EEXIST' ? `${path} is there already` : message;
      throw new UsageError(`the secret cannot be written: ${reason}`, { cause });
    }
    terminal.note(`written to ${path}`);
    return EXIT.ok;
  },
};

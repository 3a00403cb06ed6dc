import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type Command, numberOf, takeArgs } from './command.js';
import { EXIT } from './exit.js';
import { UsageError } from './usage-error.js';

export const secret: Command = {
  name: 'secret',
  summary: 'Create a secret',
  usage: '[OPTIONS]',
  details: ['Prints random bytes in base64. Give the same secret to the server and its clients.'],
  flags: {
    write: { value: 'PATH', help: 'write it to a new file that only you can read' },
    bytes: { value: 'N', help: 'number of random bytes, 16 to 1024 (default 32)' },
  },
  examples: [
    ['secret --write secret', 'Write a secret to a file'],
    ['secret', 'Print a secret'],
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
      // Never overwrite another secret.
      writeFileSync(path, `${text}\n`, { flag: 'wx', mode: 0o600 });
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const reason = code === 'EEXIST' ? `${path} already exists` : message;
      throw new UsageError(`cannot write the secret: ${reason}`, { cause });
    }
    terminal.note(`secret written to ${path}`);
    return EXIT.ok;
  },
};

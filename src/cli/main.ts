#!/usr/bin/env node
import { messageOf, statusOf } from './exit.js';
import { Terminal } from './terminal.js';

const terminal = new Terminal();

// Node prints warnings on several lines.
process.removeAllListeners('warning');
process.on('warning', ({ message }) => {
  terminal.note(`${terminal.noteStyle('backwater:', 'yellow')} ${message.replaceAll('\n', ' ')}`);
});

const argv = process.argv.slice(2);
main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    terminal.note(
      `${terminal.noteStyle('backwater:', 'red')} ${messageOf(error, argv.includes('--verbose'))}`,
    );
    process.exitCode = statusOf(error);
  },
);

async function main(): Promise<number> {
  // Fails on a platform without a binary.
  const { run } = require('./program.js') as typeof import('./program.js');
  return run(argv, terminal);
}

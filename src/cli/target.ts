import { Client } from '../client/client.js';
import { elixir } from '../elixir/elixir.js';
import type { ClientOptions } from '../client/options.js';
import type { Secret } from '../options/secrets.js';
import { type Flags, type FlagTable, timeOf } from './command.js';
import { readInput } from './input.js';
import { UsageError } from './usage-error.js';

/** The flag that names a file with the secret. */
export const secretFlags: FlagTable = {
  'secret-file': {
    value: 'PATH',
    multiple: true,
    help: 'a file with the secret, - for stdin; several: the first signs, any is accepted. Else $BACKWATER_SECRET',
  },
};

/** The flags that say how a client connects. */
export const clientFlags: FlagTable = {
  ...secretFlags,
  ca: {
    value: 'PATH',
    multiple: true,
    help: 'the certificates to trust instead of the usual ones',
  },
  cert: { value: 'PATH', help: 'the certificate to show, with its chain' },
  key: { value: 'PATH', help: 'the key of --cert' },
  servername: { value: 'NAME', help: "the name that the server's certificate must have" },
  'connect-timeout': { value: 'TIME', help: 'until a connection must stand (8s)' },
  'recv-timeout': { value: 'TIME', help: 'until the whole answer must be there (5s)' },
  timeout: { value: 'TIME', help: 'for a call as a whole (none)' },
  'replay-protection': { help: 'sign when each request is made, for servers that demand it' },
  audience: { value: 'NAME', help: 'sign whom requests are for, for servers that demand it' },
  caller: { value: 'NAME', help: 'the name that the server has this secret under' },
};

/** The secrets that were given, never as an argument. */
export function secretsOf(flags: Flags): Secret | readonly Secret[] {
  const files = flags.list('secret-file');
  if (files.length === 1) return readSecret(files[0]!);
  if (files.length > 0) return files.map(readSecret);
  const secret = process.env['BACKWATER_SECRET'];
  if (secret !== undefined && secret !== '') return secret;
  throw new UsageError(
    'a secret is needed: --secret-file PATH (- for stdin), or the environment variable BACKWATER_SECRET',
  );
}

function readSecret(path: string): Buffer {
  const content = readInput(path, 'the secret');
  // The end of the last line is the editor's.
  let end = content.length;
  if (content[end - 1] === 10) end -= content[end - 2] === 13 ? 2 : 1;
  if (end === 0) throw new UsageError(`the secret in ${path === '-' ? 'stdin' : path} is empty`);
  return content.subarray(0, end);
}

/** The option `tls` of a client that the flags ask for. */
export function tlsOf(flags: Flags): ClientOptions['tls'] {
  const ca = flags.list('ca');
  const cert = flags.text('cert');
  const key = flags.text('key');
  const servername = flags.text('servername');
  if (ca.length === 0 && cert === undefined && key === undefined && servername === undefined) {
    return undefined;
  }
  return { ca: ca.length === 0 ? undefined : ca, cert, key, servername };
}

/** A client of the server at `url`. */
export function clientOf(url: string, flags: Flags, options: Partial<ClientOptions> = {}): Client {
  return new Client({
    url,
    secret: secretsOf(flags),
    tls: tlsOf(flags),
    connectTimeout: timeOf(flags, 'connect-timeout'),
    recvTimeout: timeOf(flags, 'recv-timeout'),
    timeout: timeOf(flags, 'timeout'),
    replayProtection: flags.has('replay-protection'),
    audience: flags.text('audience'),
    caller: flags.text('caller'),
    encoders: elixir().encoders,
    ...options,
  });
}

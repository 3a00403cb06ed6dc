import { Client } from '../client/client.js';
import { elixir } from '../elixir/elixir.js';
import type { ClientOptions } from '../client/options.js';
import type { Secret } from '../options/secrets.js';
import { type Flags, type FlagTable, timeOf } from './command.js';
import { readInput } from './input.js';
import { UsageError } from './usage-error.js';

export const secretFlags: FlagTable = {
  'secret-file': {
    value: 'PATH',
    multiple: true,
    help: 'file with the secret, or - for stdin (default $BACKWATER_SECRET); if repeated, the first secret signs and all are accepted',
  },
};

export const clientFlags: FlagTable = {
  ...secretFlags,
  ca: {
    value: 'PATH',
    multiple: true,
    help: 'certificates to trust instead of the usual ones',
  },
  cert: { value: 'PATH', help: 'client certificate, with its chain' },
  key: { value: 'PATH', help: 'private key of --cert' },
  servername: { value: 'NAME', help: "name that the server's certificate must have" },
  'connect-timeout': { value: 'TIME', help: 'limit for connecting (default 8s)' },
  'recv-timeout': { value: 'TIME', help: 'limit for sending and receiving (default 5s)' },
  timeout: { value: 'TIME', help: 'limit for the whole call (default none)' },
  'replay-protection': { help: 'send the time of each request, for servers that require it' },
  audience: { value: 'NAME', help: 'name of the server, for servers that require it' },
  caller: { value: 'NAME', help: 'name that the server knows this secret by' },
};

export function secretsOf(flags: Flags): Secret | readonly Secret[] {
  const files = flags.list('secret-file');
  if (files.length === 1) return readSecret(files[0]!);
  if (files.length > 0) return files.map(readSecret);
  const secret = process.env['BACKWATER_SECRET'];
  if (secret !== undefined && secret !== '') return secret;
  throw new UsageError(
    'missing secret: use --secret-file PATH (- for stdin) or the environment variable BACKWATER_SECRET',
  );
}

function readSecret(path: string): Buffer {
  const content = readInput(path, 'the secret');
  // Editors add a trailing line break.
  let end = content.length;
  if (content[end - 1] === 10) end -= content[end - 2] === 13 ? 2 : 1;
  if (end === 0) throw new UsageError(`the secret in ${path === '-' ? 'stdin' : path} is empty`);
  return content.subarray(0, end);
}

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

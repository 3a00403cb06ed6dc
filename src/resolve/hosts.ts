import process from 'node:process';
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';

/** Takes precedence over DNS. */
export const HOSTS_FILE =
  process.platform === 'win32'
    ? join(process.env['SystemRoot'] ?? 'C:\\Windows', 'System32', 'drivers', 'etc', 'hosts')
    : '/etc/hosts';

type Table = ReadonlyMap<string, readonly string[]>;

/** Reads the file again when it has changed. */
export class HostsFile {
  readonly #path: string;
  #version = '';
  #table: Table = new Map();

  constructor(path = HOSTS_FILE) {
    this.#path = path;
  }

  async addresses(name: string): Promise<readonly string[]> {
    const key = normalise(name);
    const listed = (await this.#read()).get(key);
    if (listed !== undefined) return listed;
    // RFC 6761, 6.3: DNS must not be asked.
    return key === 'localhost' || key.endsWith('.localhost') ? ['127.0.0.1', '::1'] : [];
  }

  async #read(): Promise<Table> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#path);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version !== this.#version) {
        this.#table = parseHosts(await readFile(this.#path, 'utf8'));
        this.#version = version;
      }
    } catch {
      this.#table = new Map();
      this.#version = '';
    }
    return this.#table;
  }
}

/** @internal */
export function parseHosts(text: string): Table {
  const table = new Map<string, string[]>();
  for (const line of text.split(/\r?\n/)) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    // Link-local addresses with a zone mean nothing to other hosts.
    if (isIP(address) === 0 || address.includes('%')) continue;
    for (const name of new Set(names.map(normalise))) {
      const addresses = table.get(name);
      if (addresses === undefined) table.set(name, [address]);
      else if (!addresses.includes(address)) addresses.push(address);
    }
  }
  return table;
}

function normalise(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

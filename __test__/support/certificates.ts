import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Request {
  /** In OpenSSL's form, such as `/O=Example/CN=alice`. */
  readonly subject: string;
  /** In OpenSSL's form, such as `DNS:localhost,IP:127.0.0.1`. */
  readonly names?: string;
  /** The validity in days from now; negative days are in the past. */
  readonly days?: readonly [from: number, to: number];
  readonly extensions?: string;
  /** Default: `EC` on P-256. */
  readonly algorithm?: readonly string[];
}

const P256 = ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const SERVER_NAMES = 'DNS:localhost,IP:127.0.0.1';

export class Authority {
  readonly cert: string;
  readonly #folder: string;
  readonly #key: string;
  #count = 0;

  constructor(subject = '/O=Tests/CN=Authority') {
    this.#folder = mkdtempSync(join(tmpdir(), 'backwater-certificates-'));
    this.cert = join(this.#folder, 'ca.pem');
    this.#key = join(this.#folder, 'ca.key');
    this.#openssl('req', '-x509', '-newkey', ...P256, '-nodes', '-days', '30', '-subj', subject, '-keyout', this.#key, '-out', this.cert); // prettier-ignore
    writeFileSync(this.#path('index'), '');
    writeFileSync(this.#path('serial'), '01');
    writeFileSync(
      this.#path('config'),
      [
        '[ca]',
        'default_ca = tests',
        '[tests]',
        `database = ${this.#path('index')}`,
        `new_certs_dir = ${this.#folder}`,
        'default_md = sha256',
        'policy = any',
        'unique_subject = no',
        `serial = ${this.#path('serial')}`,
        '[any]',
        'countryName = optional',
        'organizationName = optional',
        'organizationalUnitName = optional',
        'commonName = optional',
      ].join('\n'),
    );
  }

  server(request: Partial<Request> = {}): Certificate {
    return this.issue({ subject: '/CN=localhost', names: SERVER_NAMES, ...request });
  }

  issue({ subject, names, days, extensions, algorithm = P256 }: Request): Certificate {
    const name = `${this.#count++}`;
    const [request, cert, key, file] = ['csr', 'pem', 'key', 'ext'].map((kind) =>
      this.#path(`${name}.${kind}`),
    ) as [string, string, string, string];
    this.#openssl('req', '-newkey', ...algorithm, '-nodes', '-subj', subject, '-keyout', key, '-out', request); // prettier-ignore
    const lines = [
      'basicConstraints=CA:FALSE',
      ...(names === undefined ? [] : [`subjectAltName=${names}`]),
      ...(extensions === undefined ? [] : [extensions]),
    ];
    writeFileSync(file, lines.join('\n'));
    const [from, to] = days ?? [-1, 10];
    this.#openssl('ca', '-batch', '-notext', '-config', this.#path('config'), '-cert', this.cert, '-keyfile', this.#key, '-in', request, '-out', cert, '-extfile', file, '-startdate', date(from), '-enddate', date(to)); // prettier-ignore
    return { cert, key };
  }

  /** Certificates of version 1 have no extensions. */
  issueVersion1(subject: string, algorithm: readonly string[] = P256): Certificate {
    const name = `${this.#count++}`;
    const [request, cert, key] = ['csr', 'pem', 'key'].map((kind) =>
      this.#path(`${name}.${kind}`),
    ) as [string, string, string];
    this.#openssl('req', '-newkey', ...algorithm, '-nodes', '-subj', subject, '-keyout', key, '-out', request); // prettier-ignore
    this.#openssl('x509', '-req', '-in', request, '-CA', this.cert, '-CAkey', this.#key, '-CAcreateserial', '-days', '10', '-out', cert); // prettier-ignore
    return { cert, key };
  }

  /** OpenSSL makes such a certificate an authority's. */
  selfSigned(subject = '/CN=localhost', names = SERVER_NAMES): Certificate {
    const name = `${this.#count++}`;
    const [cert, key] = [this.#path(`${name}.pem`), this.#path(`${name}.key`)];
    this.#openssl('req', '-x509', '-newkey', ...P256, '-nodes', '-days', '10', '-subj', subject, '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', cert); // prettier-ignore
    return { cert, key };
  }

  convertKey(key: string, ...how: string[]): string {
    const target = this.#path(`${this.#count++}.key`);
    this.#openssl(...how, '-in', key, '-out', target);
    return target;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

export function text(path: string): string {
  return readFileSync(path, 'utf8');
}

/** Formats a date for `openssl ca`: `20260131235959Z`. */
function date(days: number): string {
  const time = new Date(Date.now() + days * 86_400_000);
  return `${time.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`;
}

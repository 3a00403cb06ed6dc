import process from 'node:process';
import { readFileSync } from 'node:fs';
import * as tls from 'node:tls';
import { environment } from '../platform/environment.js';

export function shareTrustedRoots(): void {
  if (environment.hasTrustedRoots()) return;
  environment.setTrustedRoots(defaultCertificates().join('\n'));
}

function defaultCertificates(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] };
  if (getCACertificates !== undefined) return getCACertificates('default');
  const path = process.env['NODE_EXTRA_CA_CERTS'];
  if (path === undefined || path === '') return tls.rootCertificates;
  try {
    return [...tls.rootCertificates, readFileSync(path, 'latin1')];
  } catch (error) {
    // As Node does: warn and continue.
    process.emitWarning(`Ignoring extra certs from ${path}: ${(error as Error).message}`);
    return tls.rootCertificates;
  }
}

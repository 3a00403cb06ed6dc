// `npm run testssl`: has testssl.sh (from Debian) check the TLS of a server, in minutes. Findings
// about the test's own certificate do not count.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTlsServer } from 'backwater';

const OF_THE_CERTIFICATE =
  /^(cert|cert_.*|chain_of_trust|.*_certificateIssuer|.*trust.*|cert_trust|OCSP.*|DNS_CAArecord|certificate_transparency|intermediate_cert.*)$/;
const OF_WEB_PAGES =
  /^(HTTP_.*|HSTS.*|HPKP.*|banner_.*|cookie.*|security_headers|scanTime|engine_problem|overall_grade|grade_cap.*|final_score|rating_.*|clientsimulation.*|optimal_proto)$/;

const folder = mkdtempSync(join(tmpdir(), 'backwater-testssl-'));
const [cert, key, report] = ['cert.pem', 'key.pem', 'report.json'].map((name) =>
  join(folder, name),
);
execFileSync(
  'openssl',
  ['req', '-x509', '-newkey', 'rsa:3072', '-nodes', '-days', '30', '-subj', '/CN=localhost'].concat(
    ['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert],
  ),
  { stdio: 'ignore' },
);
const server = await startTlsServer(
  randomBytes(32),
  { m: { echo: (value) => value } },
  { host: '127.0.0.1', port: 0, tls: { cert, key }, health: '/healthz' },
);
const args = ['--quiet', '--color', '0', '--warnings', 'off', '--jsonfile', report];
const child = spawn('testssl', [...args, `${server.url}/healthz`], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
const ended = await new Promise((resolve) => child.on('exit', resolve).on('error', resolve));
await server.close({ timeout: 0 });
if (ended instanceof Error) throw ended;

const findings = JSON.parse(readFileSync(report, 'utf8'));
rmSync(folder, { recursive: true });
const about = findings.filter(
  ({ id }) => ![OF_THE_CERTIFICATE, OF_WEB_PAGES].some((pattern) => pattern.test(id)),
);
const weak = about.filter(({ severity }) =>
  ['LOW', 'MEDIUM', 'HIGH', 'CRITICAL'].includes(severity),
);
for (const { id, severity, finding } of about) {
  if (severity === 'WARN') console.log(`not checked: ${id}: ${finding}`);
}
console.log(`\n${findings.length} findings, ${weak.length} of them weaknesses`);
for (const { id, severity, finding } of weak) console.log(`${severity} ${id}: ${finding}`);
process.exitCode = findings.length > 50 && weak.length === 0 ? 0 : 1;

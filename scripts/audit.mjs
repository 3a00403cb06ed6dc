// `npm run audit`: licences, sources and advisories of the dependencies. Ends with a list of what
// was checked.
//
//   --installed   skips crates where cargo-deny would have to be compiled
//   --complete    fails if anything was not checked
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const lines = [];
let [failed, incomplete] = [false, false];

auditCrates();
auditPackages();
console.log(lines.join('\n'));
if (incomplete && process.argv.includes('--complete')) failed = true;
process.exitCode = failed ? 1 : 0;

function auditCrates() {
  const rules = 'crates: licences, bans and sources';
  const advisories = 'crates: advisories';
  if (!hasCargoDeny() && process.argv.includes('--installed')) {
    notChecked(rules, 'cargo-deny is not installed');
    notChecked(advisories, 'cargo-deny is not installed');
    return;
  }
  if (!hasCargoDeny()) {
    console.error('audit: installing cargo-deny, which takes some minutes …');
    const installed = run('cargo', ['install', 'cargo-deny', '--locked', '--quiet'], 3_600_000);
    if (installed.status !== 0) {
      checked('installation of cargo-deny', installed);
      return;
    }
  }
  const deny = (...what) => run('cargo', ['deny', '--locked', 'check', ...what]);
  checked(rules, deny('licenses', 'bans', 'sources'), `${countCrates()} crates`);
  // Not every network reaches the database.
  const known = deny('advisories');
  if (/failed to fetch advisory database/i.test(known.output)) {
    notChecked(advisories, 'github.com/RustSec/advisory-db cannot be reached from here');
  } else {
    checked(advisories, known);
  }
}

function auditPackages() {
  const { dependencies = {} } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
  const count = Object.keys(dependencies).length;
  // The addon is an optional dependency, and our own.
  checked('npm: what is published depends on nothing', {
    status: count === 0 ? 0 : 1,
    output: `package.json has ${count} dependencies: audit them, and say so here`,
  });
  const name = 'npm: advisories of what is used in development, from high on';
  const known = run('npm', ['audit', '--audit-level=high']);
  if (known.status === 0 || /vulnerabilit/i.test(known.output)) {
    checked(name, known);
  } else {
    const reason = /\b[45]\d\d [A-Z][\w ]*/.exec(known.output)?.[0].trim() ?? 'cannot be reached';
    notChecked(name, `the registry's endpoint of advisories: ${reason}`);
  }
  const signatures = 'npm: signatures of what is installed';
  const verified = run('npm', ['audit', 'signatures']);
  if (verified.status === 0 || /\b(invalid|missing|tampered)\b/i.test(verified.output)) {
    checked(
      signatures,
      verified,
      /\d+ packages have verified registry signatures/.exec(verified.output)?.[0],
    );
  } else {
    notChecked(signatures, "the registry's keys cannot be reached");
  }
}

function hasCargoDeny() {
  return spawnSync('cargo', ['deny', '--version'], { stdio: 'ignore' }).status === 0;
}

function countCrates() {
  return readFileSync(`${root}/Cargo.lock`, 'utf8').split('[[package]]').length - 1;
}

function checked(what, { status, output }, detail) {
  if (status !== 0) {
    failed = true;
    console.error(output);
  }
  const outcome = status === 0 ? 'ok' : 'FAILED, see above';
  lines.push(`audit: ${what}: ${outcome}${detail ? ` (${detail})` : ''}`);
}

function notChecked(what, why) {
  incomplete = true;
  lines.push(`audit: ${what}: NOT CHECKED, ${why}`);
}

function run(command, args, timeout = 900_000) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32' && command === 'npm',
    timeout,
  });
  if (error) return { status: 1, output: error.message };
  return { status, output: `${stdout}${stderr}` };
}

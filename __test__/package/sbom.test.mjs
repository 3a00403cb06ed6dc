import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'backwater-sbom-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const hasCargo = spawnSync('cargo', ['--version']).status === 0;

test('every crate and every package is listed', { skip: !hasCargo && 'it needs Rust' }, () => {
  const args = [join(root, 'scripts/sbom.mjs'), folder];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  assert.equal(readdirSync(folder).length, 2);

  const { components, metadata } = bill('crates');
  const lock = readFileSync(join(root, 'Cargo.lock'), 'utf8');
  const crates = Array.from(lock.matchAll(/^name = "(.*)"\nversion = "(.*)"/gm), ([, ...crate]) =>
    crate.join('@'),
  );
  assert.deepEqual(named([...components, metadata.component]), crates.sort());
  const scope = (name) => components.find((component) => component.name === name).scope;
  assert.deepEqual(['ring', 'backwater-etf', 'cc', 'napi-derive'].map(scope), [
    'required',
    'required',
    'excluded',
    'excluded',
  ]);
  for (const { name, licenses, hashes } of components) {
    assert.ok(licenses[0].expression, name);
    assert.ok(hashes?.[0].content.length === 64 || name.startsWith('backwater-'), name);
  }

  const npm = bill('npm');
  assert.equal(npm.metadata.component.purl.split('@')[0], 'pkg:npm/backwater');
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const installed = Object.entries(packages).filter(([path]) => path !== '');
  const locked = new Set(
    installed.map(([path, { name, version }]) => {
      return `${name ?? path.split('node_modules/').at(-1)}@${version}`;
    }),
  );
  assert.deepEqual(new Set(named(npm.components)), locked);
});

function bill(kind) {
  const file = readdirSync(folder).find((name) => name.endsWith(`-${kind}.cdx.json`));
  const { bomFormat, specVersion, ...rest } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  assert.deepEqual([bomFormat, specVersion], ['CycloneDX', '1.5']);
  return rest;
}

function named(components) {
  return components.map(({ name, version }) => `${name}@${version}`).sort();
}

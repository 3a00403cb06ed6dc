// Whether an addon for Linux can load on its systems.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readElf } from './elf.mjs';

const GLIBC = /^(libc\.so\.6|lib(m|dl|rt|pthread)\.so\.\d+|ld-linux-.*\.so\.\d+)$/;
const MUSL = /^libc\.so$/;
const NODE_API = /^(napi|node_api)_/;
/** Node calls it after loading an addon. */
const ENTRY = 'napi_register_module_v1';

/**
 * Checks that an addon needs nothing but Node (`napi_…`) and the oldest C library that it is for.
 */
export function checkAddon(bytes, target, muslSymbols) {
  const { needed, versions, undefined: asked, defined, staticTls } = readElf(bytes);
  const complain = (what) => {
    throw new Error(`the addon for ${target.name} ${what}`);
  };
  if (!defined.includes(ENTRY)) complain(`has no ${ENTRY}`);
  const isMusl = target.glibc === undefined;
  const library = isMusl ? MUSL : GLIBC;
  const libraries = needed.filter((name) => !library.test(name));
  if (libraries.length > 0) complain(`needs the libraries ${libraries.join(', ')}`);
  const tooNew = versions.filter((version) => isMusl || isNewer(version, target.glibc));
  if (tooNew.length > 0) complain(`asks for ${tooNew.join(', ')}`);
  if (!isMusl) return;
  // musl has room only for variables of the program's start.
  if (staticTls) complain('has thread-local variables of the model initial-exec');
  const unknown = asked.filter((name) => !NODE_API.test(name) && !muslSymbols.has(name));
  if (unknown.length > 0) complain(`asks for ${unknown.join(', ')}, which musl does not have`);
}

function isNewer(version, newest) {
  const [major, minor] = (/^GLIBC_(\d+)\.(\d+)/.exec(version)?.slice(1) ?? []).map(Number);
  const [newestMajor, newestMinor] = newest.split('.').map(Number);
  if (major === undefined) return true;
  return major > newestMajor || (major === newestMajor && minor > newestMinor);
}

/** From zig's list. */
export function symbolsOfMusl(zig) {
  const versions = join(zig, 'lib');
  const list = readdirSync(versions)
    .map((python) => join(versions, python, 'site-packages/ziglang/lib/libc/musl/libc.S'))
    .find((path) => existsSync(path));
  if (list === undefined) throw new Error(`no list of musl's symbols found below ${versions}`);
  const names = readFileSync(list, 'utf8').matchAll(/^\.type (\w+),/gm);
  return new Set(Array.from(names, ([, name]) => name));
}

// Whether an addon for Linux loads on the systems that it is for, as far as its file tells.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readElf } from './elf.mjs';

const GLIBC = /^(libc\.so\.6|lib(m|dl|rt|pthread)\.so\.\d+|ld-linux-.*\.so\.\d+)$/;
const MUSL = /^libc\.so$/;
const NODE_API = /^(napi|node_api)_/;
/** What Node calls after loading an addon. */
const ENTRY = 'napi_register_module_v1';

/**
 * Checks the addon of a target: it has what Node looks for, needs no library but the C library, no
 * symbol that the oldest C library lacks, and nothing else but what Node has (`napi_…`).
 *
 * @param muslSymbols the symbols that musl has, where the target needs musl
 * @throws Error naming the symbols or libraries that would be missing where it is installed
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
  // Its loader has a place for them only in what is there when the program starts.
  if (staticTls) complain('has thread-local variables of the model initial-exec');
  const unknown = asked.filter((name) => !NODE_API.test(name) && !muslSymbols.has(name));
  if (unknown.length > 0) complain(`asks for ${unknown.join(', ')}, which musl does not have`);
}

function isNewer(version, newest) {
  const [major, minor] = (/^GLIBC_(\d+)\.(\d+)/.exec(version)?.slice(1) ?? []).map(Number);
  const [newestMajor, newestMinor] = newest.split('.').map(Number);
  // Versions of other libraries are none that the C library has.
  if (major === undefined) return true;
  return major > newestMajor || (major === newestMajor && minor > newestMinor);
}

/** The symbols of musl's C library, of the list that zig links against, in its folder `zig`. */
export function symbolsOfMusl(zig) {
  const versions = join(zig, 'lib');
  const list = readdirSync(versions)
    .map((python) => join(versions, python, 'site-packages/ziglang/lib/libc/musl/libc.S'))
    .find((path) => existsSync(path));
  if (list === undefined) throw new Error(`no list of musl's symbols found below ${versions}`);
  const names = readFileSync(list, 'utf8').matchAll(/^\.type (\w+),/gm);
  return new Set(Array.from(names, ([, name]) => name));
}

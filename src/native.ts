import { createRequire } from 'node:module';
import type * as Addon from '#native';

/**
 * The addon. This is the only module that loads it.
 *
 * Where no binary fits this platform, the generated loader's own message speaks of WebAssembly:
 * here it is said what is missing.
 */
function load(): typeof Addon {
  try {
    return createRequire(import.meta.url)('#native') as typeof Addon;
  } catch (cause) {
    throw new Error(
      `backwater has no native addon for this platform (${platform()}); there are binaries for ` +
        'linux-x64 and linux-arm64 (glibc and musl), darwin-arm64, darwin-x64 and win32-x64. ' +
        'Install with optional dependencies (no --omit=optional), or build from source with Rust.',
      { cause },
    );
  }
}

function platform(): string {
  return `${process.platform}-${process.arch}, Node ${process.version}`;
}

export const native: typeof Addon = load();
export type { Bridge as NativeBridge } from '#native';

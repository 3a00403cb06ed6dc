/**
 * `name` is the folder in npm/, `zig` the target for cargo-zigbuild if it can build it, and `glibc`
 * the newest version to require.
 */
export const TARGETS = [
  {
    name: 'linux-x64-gnu',
    triple: 'x86_64-unknown-linux-gnu',
    zig: 'x86_64-unknown-linux-gnu.2.17',
    glibc: '2.17',
  },
  {
    name: 'linux-arm64-gnu',
    triple: 'aarch64-unknown-linux-gnu',
    zig: 'aarch64-unknown-linux-gnu.2.17',
    glibc: '2.17',
  },
  // A musl target makes a shared library only with a dynamic C library.
  {
    name: 'linux-x64-musl',
    triple: 'x86_64-unknown-linux-musl',
    zig: 'x86_64-unknown-linux-musl',
    rustflags: '-C target-feature=-crt-static',
  },
  {
    name: 'linux-arm64-musl',
    triple: 'aarch64-unknown-linux-musl',
    zig: 'aarch64-unknown-linux-musl',
    rustflags: '-C target-feature=-crt-static',
  },
  { name: 'darwin-arm64', triple: 'aarch64-apple-darwin', zig: 'aarch64-apple-darwin' },
  { name: 'darwin-x64', triple: 'x86_64-apple-darwin', zig: 'x86_64-apple-darwin' },
  // They need the Windows SDK, so the release workflow builds them.
  { name: 'win32-x64-msvc', triple: 'x86_64-pc-windows-msvc' },
  { name: 'win32-arm64-msvc', triple: 'aarch64-pc-windows-msvc' },
];

export function hostTarget() {
  const musl =
    process.platform === 'linux' &&
    process.report.getReport().header.glibcVersionRuntime === undefined;
  const prefix = `${process.platform}-${process.arch}`;
  const name = process.platform === 'linux' ? `${prefix}-${musl ? 'musl' : 'gnu'}` : prefix;
  return TARGETS.find((target) => target.name === name || target.name === `${name}-msvc`);
}

export const addonOf = ({ name }) => `backwater.${name}.node`;

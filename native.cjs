// Loads the native addon: the one that was built beside this file, or else the platform's package.
'use strict';

/** The version of this package. It is not read from package.json, which bundlers need a plugin for. */
const VERSION = '0.1.0';

/** The addons that may fit a platform. On Linux, npm installs the one for the C library. */
const ADDONS = {
  'darwin-arm64': ['darwin-arm64'],
  'darwin-x64': ['darwin-x64'],
  'linux-arm64': ['linux-arm64-gnu', 'linux-arm64-musl'],
  'linux-x64': ['linux-x64-gnu', 'linux-x64-musl'],
  'win32-arm64': ['win32-arm64-msvc'],
  'win32-x64': ['win32-x64-msvc'],
};
const SUPPORTED =
  'darwin-arm64, darwin-x64, linux-arm64 and linux-x64 (glibc 2.17 or newer, or musl), win32-arm64 and win32-x64';

/**
 * Each addon is required by a literal, so that bundlers and tracers find it, and in a `try`, because all
 * but one are missing.
 */
function requireAddon(name) {
  try {
    switch (name) {
      case 'built here':
        return require('./backwater.node');
      case 'darwin-arm64':
        return require('backwater-darwin-arm64');
      case 'darwin-x64':
        return require('backwater-darwin-x64');
      case 'linux-arm64-gnu':
        return require('backwater-linux-arm64-gnu');
      case 'linux-arm64-musl':
        return require('backwater-linux-arm64-musl');
      case 'linux-x64-gnu':
        return require('backwater-linux-x64-gnu');
      case 'linux-x64-musl':
        return require('backwater-linux-x64-musl');
      case 'win32-arm64-msvc':
        return require('backwater-win32-arm64-msvc');
      case 'win32-x64-msvc':
        return require('backwater-win32-x64-msvc');
    }
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  if (name === 'a bundler') {
    // Never reached: a bundler that cannot load addons stops here, and its error shows these words.
    require('./mark-backwater-as-external.node');
  }
  return undefined;
}

module.exports = load();

function load() {
  const platform = `${process.platform}-${process.arch}`;
  const names = ADDONS[platform] ?? [];
  const failures = [];
  for (const name of ['built here', ...names]) {
    try {
      const addon = requireAddon(name);
      if (addon === undefined) continue;
      if (addon.VERSION === VERSION) return addon;
      failures.push(new Error(versionsDiffer(name, addon.VERSION)));
    } catch (error) {
      failures.push(error);
    }
  }
  throw failure(platform, names, failures);
}

/** Tells an addon that is missing from one that does not load. */
function isMissing(error) {
  return (
    error?.code === 'MODULE_NOT_FOUND' || /cannot find (module|package)/i.test(error?.message ?? '')
  );
}

function versionsDiffer(name, found = 'older') {
  return name === 'built here'
    ? `backwater.node was built for version ${found}, not ${VERSION}: build it again (npm run build)`
    : `the package backwater-${name} is ${found}, not ${VERSION}: install both again`;
}

function failure(platform, names, failures) {
  const [cause] = failures;
  const error = new Error(
    `backwater cannot load its native addon: ${explanation(platform, names, failures)}`,
    cause && { cause },
  );
  return Object.assign(error, { code: 'ERR_BACKWATER_NATIVE' });
}

function explanation(platform, names, failures) {
  if (failures.some(({ code }) => code === 'ERR_DLOPEN_DISABLED')) {
    return 'Node was started without addons: add --allow-addons to --permission (with --allow-worker for servers with workers and --allow-net for looking up names), or leave out --no-addons';
  }
  if (failures.length > 0) {
    const reasons = failures.map(({ message }) => message.split('\n')[0]).join('; ');
    return `the binary for ${platform} does not load: ${reasons} (supported platforms: ${SUPPORTED})`;
  }
  if (names.length === 0) {
    return `there is no binary for ${platform}: supported platforms are ${SUPPORTED}; elsewhere, build it from source with Rust (npm run setup in a clone)`;
  }
  return `the binary for ${platform} is not installed: install backwater again on this platform, without --omit=optional, so that npm adds backwater-${names.join(' or backwater-')} (supported platforms: ${SUPPORTED})`;
}

// Loads the addon: the one that a build has left beside this file, else that of the platform package.
'use strict';

const { version } = require('./package.json');

/** Written out, so that bundlers see what is required. A build of one's own comes first. */
const ADDONS = {
  'linux-x64-gnu': [
    () => require('./backwater.linux-x64-gnu.node'),
    () => require('backwater-linux-x64-gnu'),
    () => require('backwater-linux-x64-gnu/package.json'),
  ],
  'linux-x64-musl': [
    () => require('./backwater.linux-x64-musl.node'),
    () => require('backwater-linux-x64-musl'),
    () => require('backwater-linux-x64-musl/package.json'),
  ],
  'linux-arm64-gnu': [
    () => require('./backwater.linux-arm64-gnu.node'),
    () => require('backwater-linux-arm64-gnu'),
    () => require('backwater-linux-arm64-gnu/package.json'),
  ],
  'linux-arm64-musl': [
    () => require('./backwater.linux-arm64-musl.node'),
    () => require('backwater-linux-arm64-musl'),
    () => require('backwater-linux-arm64-musl/package.json'),
  ],
  'darwin-arm64': [
    () => require('./backwater.darwin-arm64.node'),
    () => require('backwater-darwin-arm64'),
    () => require('backwater-darwin-arm64/package.json'),
  ],
  'darwin-x64': [
    () => require('./backwater.darwin-x64.node'),
    () => require('backwater-darwin-x64'),
    () => require('backwater-darwin-x64/package.json'),
  ],
  'win32-x64-msvc': [
    () => require('./backwater.win32-x64-msvc.node'),
    () => require('backwater-win32-x64-msvc'),
    () => require('backwater-win32-x64-msvc/package.json'),
  ],
};
const SUPPORTED =
  'linux-x64 and linux-arm64 (glibc 2.17 or newer, or musl), darwin-arm64, darwin-x64 and win32-x64';

module.exports = load();

function load() {
  const platform = `${process.platform}-${process.arch}`;
  // Of the two for Linux npm installs the one that fits the C library; a foreign one does not load.
  const names = Object.keys(ADDONS).filter(
    (name) => name === platform || name.startsWith(`${platform}-`),
  );
  if (names.length === 0) {
    throw failure(
      `there is no binary for this platform, ${platform}, but for ${SUPPORTED}; elsewhere build it from source with Rust (npm run setup in a clone)`,
    );
  }
  const refusals = [];
  for (const name of names) {
    const [built, installed, description] = ADDONS[name];
    try {
      return built();
    } catch (error) {
      if (!isMissing(error)) refusals.push(error);
    }
    try {
      const addon = installed();
      const found = description().version;
      if (found === version) return addon;
      refusals.push(
        new Error(`the package backwater-${name} is ${found}, not ${version}: install both again`),
      );
    } catch (error) {
      if (!isMissing(error)) refusals.push(error);
    }
  }
  if (refusals.length > 0) {
    const reasons = refusals.map(({ message }) => message.split('\n')[0]).join('; ');
    throw failure(
      `the binary for this platform, ${platform}, does not load: ${reasons} (supported are ${SUPPORTED})`,
      refusals[0],
    );
  }
  throw failure(
    `the binary for this platform, ${platform}, is not installed: install backwater again on this platform, without --omit=optional, so that npm takes the package backwater-${names.join(' or backwater-')} (supported are ${SUPPORTED})`,
  );
}

/** Whether the addon is not there, as against one that is there and does not load. */
function isMissing(error) {
  return (
    error?.code === 'MODULE_NOT_FOUND' || /cannot find (module|package)/i.test(error?.message ?? '')
  );
}

function failure(what, cause) {
  const error = new Error(`backwater cannot load its native addon: ${what}`, cause && { cause });
  return Object.assign(error, { code: 'ERR_BACKWATER_NATIVE' });
}

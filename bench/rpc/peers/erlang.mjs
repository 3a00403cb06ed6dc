// Erlang's own backwater, where ERL_LIBS names a folder that has it and its dependencies compiled; otherwise
// the peer of the interoperability tests, with Erlang's own term_to_binary, crypto and sockets.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SECRET } from '../workloads.mjs';
import { request } from './backwater.mjs';

const ASK = 'io:format("~s ~s", [erlang:system_info(otp_release), code:which(backwater)]), halt().';
const asked = spawnSync('erl', ['-noshell', '-eval', ASK], { encoding: 'utf8' });
const [release, library = ''] = asked.stdout?.split(' ') ?? [];
const hasLibrary = library.endsWith('.beam');

export const title = `${hasLibrary ? "Erlang's backwater" : 'Erlang: peer of the tests'}, OTP ${release}`;
export const client = 'backwater';
export { request };

export const missing = () => (asked.error === undefined ? undefined : 'Erlang is not installed');

export function program() {
  const at = (path) => fileURLToPath(new URL(path, import.meta.url));
  const env = { BACKWATER_SECRET: SECRET };
  if (hasLibrary) return ['escript', [at('./backwater.escript')], env];
  const options = ['--compression-threshold', 'infinity', '--max-keepalive', '1000000000'];
  return ['escript', [at('../../../__test__/interop/peer.escript'), 'server', ...options], env];
}

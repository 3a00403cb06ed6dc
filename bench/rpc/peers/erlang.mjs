// If ERL_LIBS names a folder with Erlang's backwater and its dependencies, compiled.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SECRET } from '../workloads.mjs';
import { request } from './backwater.mjs';

const ASK = 'io:format("~s ~s", [erlang:system_info(otp_release), code:which(backwater)]), halt().';
const asked = spawnSync('erl', ['-noshell', '-eval', ASK], { encoding: 'utf8' });
const [release, library = ''] = asked.stdout?.split(' ') ?? [];

export const title = `Erlang's backwater, OTP ${release}`;
export const client = 'backwater';
export { request };

export const missing = () =>
  library.endsWith('.beam') ? undefined : "Erlang's backwater is not in ERL_LIBS";

export function program() {
  const script = fileURLToPath(new URL('./backwater.escript', import.meta.url));
  return ['escript', [script], { BACKWATER_SECRET: SECRET }];
}

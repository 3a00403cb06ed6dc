// The limit: server and client of the same crates without JavaScript.
import { encode } from '../../../build/index.js';
import { startTool } from '../rust-tool.mjs';
import { SECRET } from '../workloads.mjs';
import { request } from './backwater.mjs';

export const title = 'Rust, no JavaScript';
export { request };

export async function serveOutside() {
  const tool = startTool('serve');
  const { port } = await tool.ask({ secret: SECRET });
  return { port, pid: tool.pid, close: () => tool.close() };
}

/** The arguments as the Rust client reads them. */
export const encodedArguments = ({ value }) => encode([value]);

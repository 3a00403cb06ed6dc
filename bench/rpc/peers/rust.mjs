// The same crates without JavaScript. The stage starts the client.
import { encode } from '../../../build/index.js';
import { startTool } from '../rust-tool.mjs';
import { SECRET } from '../workloads.mjs';
import { request } from './backwater.mjs';

export const title = 'Rust without JavaScript';
export { request };

export async function start() {
  const tool = startTool('serve');
  return { process: tool, ...(await tool.ask({ secret: SECRET })) };
}

export const encodedArguments = ({ value }) => encode([value]);

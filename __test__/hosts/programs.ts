import type { ExecutionContext } from 'ava';
import { pathToFileURL } from 'node:url';
import { runNode } from '../support/child.js';
import { projectRoot } from '../support/root.js';

const build = pathToFileURL(`${projectRoot()}/build/`);
export const library = new URL('index.mjs', build).href;
export const terms = new URL('terms.mjs', build).href;

const PRELUDE = `
  const library = ${JSON.stringify(library)};
  const terms = ${JSON.stringify(terms)};
  const secret = 'at least 32 bytes of random data';
  const local = { host: '127.0.0.1', port: 0 };
`;

/**
 * Runs a program in a process that must end by itself without an error. Returns its last line as
 * JSON.
 */
export async function runProgram(
  t: ExecutionContext,
  program: string,
  flags: readonly string[] = [],
): Promise<unknown> {
  const args = [...flags, '--input-type=module', '-e', PRELUDE + program];
  const { code, signal, stdout, stderr } = await runNode(args);
  t.deepEqual({ code, signal, stderr }, { code: 0, signal: null, stderr: '' }, stdout);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as unknown;
}

import type { ExecutionContext } from 'ava';
import { pathToFileURL } from 'node:url';
import { runNode } from '../support/child.js';
import { projectRoot } from '../support/root.js';

const build = pathToFileURL(`${projectRoot()}/build/`);
/** The library as it is installed, for programs that load it in a way of their own. */
export const library = new URL('index.mjs', build).href;
export const terms = new URL('terms.mjs', build).href;

/** What every program begins with. */
const PRELUDE = `
  const library = ${JSON.stringify(library)};
  const terms = ${JSON.stringify(terms)};
  const secret = 'at least 32 bytes of random data';
  const local = { host: '127.0.0.1', port: 0 };
`;

/**
 * Runs a program in a process of its own that ends by itself, without an error; returns what it has
 * written last, parsed as JSON.
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

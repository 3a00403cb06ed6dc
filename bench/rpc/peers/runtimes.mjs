// The servers of Bun and Deno. Their packages have the programs.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { plain } from './json.mjs';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const script = at('./runtime-server.mjs');
const { platform, arch } = process;
const suffix = platform === 'win32' ? '.exe' : '';
const bunPackage = `bun-${platform}-${arch === 'arm64' ? 'aarch64' : arch}`;
const denoPackage = `${platform}-${arch}${platform === 'linux' ? '-glibc' : ''}`;

function runtime(title, path, args) {
  const file = at(`../node_modules/${path}${suffix}`);
  return {
    title: `${title}: JSON`,
    client: 'json',
    request: plain.request,
    program: () => [file, [...args, script]],
    missing: () => (existsSync(file) ? undefined : `${title} has no package for this platform`),
  };
}

export const bun = runtime('Bun.serve', `@oven/${bunPackage}/bin/bun`, ['run']);
export const deno = runtime('Deno.serve', `@deno/${denoPackage}/deno`, [
  'run',
  '--quiet',
  '--no-config',
  '--no-lock',
  '--allow-net',
]);

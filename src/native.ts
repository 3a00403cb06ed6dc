import { createRequire } from 'node:module';
import type * as Addon from '#native';

/** The addon; `native.cjs` finds the one for this platform. This is the only module that loads it. */
export const native = createRequire(import.meta.url)('#native') as typeof Addon;
export type { Bridge as NativeBridge } from '#native';

import type * as Addon from '../../native.cjs';

/** The addon. `native.cjs` finds the one for this platform; no other module loads it. */
export const native = require('#native') as typeof Addon;
export type { Bridge as NativeBridge } from '../../native.cjs';

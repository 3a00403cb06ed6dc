// Compiled, not run: the types as a CommonJS program with Node's require of ES modules sees them.
import type { Client } from 'backwater' with { 'resolution-mode': 'import' };

export type Made = Client;

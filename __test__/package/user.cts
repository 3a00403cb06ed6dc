// Compiled, not run: the types as a CommonJS program sees them.
import { Client } from 'backwater';
import terms = require('backwater/terms');

export const made = (url: string): Client => new Client({ url, secret: 'x'.repeat(32) });
export const encoded: Buffer = terms.encode([1, 'two']);

// Compiled, not run: the types in a CommonJS program.
import { Client } from 'backwater';
import terms = require('backwater/terms');

export const made = (url: string): Client => new Client({ url, secret: 'x'.repeat(32) });
export const encoded: Buffer = terms.encode([1, 'two']);

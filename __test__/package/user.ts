// Compiled against the installed package and its declarations.
import { type Atom, Client, type ClientOptions, type Term, type Tuple } from 'backwater';
import { elixir } from 'backwater/elixir';
import { javascript } from 'backwater/hooks';
import { decode, encode } from 'backwater/terms';

const options: ClientOptions = { url: 'http://127.0.0.1:8080', secret: 'x'.repeat(32) };
const client = new Client(options);
const result: Promise<Tuple | Atom> = client.call<Tuple | Atom>('module', 'fn', []);
const hooks: Partial<ClientOptions> = { ...elixir({ precision: 6 }), ...javascript() };
const term: Term = decode(encode([1, 'two']), elixir());
export { hooks, result, term };

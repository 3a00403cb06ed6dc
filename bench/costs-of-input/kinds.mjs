// A kind is a message of an attacker to a server or client:
//
// - `stage`: 'before' or 'after' authentication.
// - `input(requestId?)`: the bytes of a request or response.
// - `base`: the smallest message of its side and stage.
// - `unanswered`: the server waits for more.
// - `pieces`: how many bytes to send at a time.
// - `tls`: `input` begins a handshake.
// - `fixed`: the connection costs, not its bytes.
// - `compared`: a server of `node:net`, for comparison.
// - `inflated()`: the size after gunzip, if compressed.
import { after } from './after.mjs';
import { beforeOnClient, beforeOnServer } from './before.mjs';

export async function loadKinds(isWanted) {
  const all = [...(await beforeOnServer()), ...beforeOnClient, ...after];
  const kinds = all.filter((kind) => kind.base || isWanted(kind));
  for (const kind of kinds) {
    kind.size = kind.inflated?.() ?? kind.input('c2l4dGVlbiBieXRlcyBpZA==').length;
    kind.smallest = kinds.find(
      ({ base, side, stage }) => base && side === kind.side && stage === kind.stage,
    );
  }
  return kinds;
}

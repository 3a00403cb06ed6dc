// What an attacker may send. A kind is one message to a server or a client:
//
// - `stage`: 'before' authentication, which needs no secret, or 'after' it.
// - `input(requestId?)`: the bytes of a request, or of the response to a client.
// - `base`: the smallest message of its side and stage, which the others are compared with.
// - `options`: of the server or client under attack.
// - `unanswered`: the server waits for more, so that only memory is measured.
// - `pieces`: the number of bytes to send at a time.
// - `tls`: the server speaks TLS, and `input` begins the handshake.
// - `fixed`: the connection costs, not its bytes; the first answer ends it.
// - `atMost`: bounds the number of messages.
// - `inflated()`: the size of the body after gunzip, if it is compressed.
import { after } from './after.mjs';
import { beforeOnClient, beforeOnServer } from './before.mjs';

/** The kinds that are wanted, each with its size and the smallest of its side and stage. */
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

// What an attacker may send. A kind is one message, and whom it is sent to.
//
// - `side`: 'server' gets requests, 'client' gets answers to its own.
// - `stage`: 'before' authentication needs no secret, 'after' it does.
// - `input(requestId?)`: the bytes of one request, or of one response for a client.
// - `base`: the smallest message of its side and stage, which the others are compared with.
// - `options`: of the server or the client under attack.
// - `unanswered`: nothing is answered until more comes, so that only memory is measured.
// - `held`: the function keeps its arguments until the benchmark releases it.
// - `pieces`: the number of bytes to send at a time.
// - `tls`: the server speaks TLS, which `input` is the beginning of.
// - `fixed`: the connection costs, not its bytes; the first answer ends it.
// - `atOnce`: how many messages are there at the same time when memory is measured; several numbers.
// - `atMost`: a bound for the number of messages.
// - `inflated`: the size of the body after gunzip, which is what limits count; ratios are by that.
import { after } from './after.mjs';
import { beforeOnClient, beforeOnServer } from './before.mjs';

/** All kinds, with the size of a message, and the smallest of the same side and stage. */
export async function loadKinds() {
  const kinds = [...(await beforeOnServer()), ...beforeOnClient, ...after];
  for (const kind of kinds) {
    kind.sent = kind.input('c2l4dGVlbiBieXRlcyBpZA==').length;
    kind.size = kind.inflated ?? kind.sent;
    kind.smallest = kinds.find(
      ({ base, side, stage }) => base && side === kind.side && stage === kind.stage,
    );
  }
  return kinds;
}

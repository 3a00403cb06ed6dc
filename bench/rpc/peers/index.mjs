// All peers at once, for the process that measures.
import { PEERS, VARIANTS } from './load.mjs';
import { streamPeers } from './streams.mjs';

const all = async (loaders) =>
  Object.fromEntries(
    await Promise.all(Object.entries(loaders).map(async ([name, load]) => [name, await load()])),
  );

export const peers = await all(PEERS);
const variants = { ...(await all(VARIANTS)), ...streamPeers };

export const peerOf = (name) => peers[name] ?? variants[name];

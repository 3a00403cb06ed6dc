import { MAX_SHAPE_KEY_LENGTH, MAX_SHAPE_KEYS } from './tape.js';

/** The keys of plain objects that were written, so that each set of keys is written once a message. */
export interface WriteShape {
  readonly keys: readonly string[];
  readonly count: number;
  /** The keys joined by NUL. */
  readonly joined: string;
  /** Which message last wrote it, and at which place of its table of shapes. */
  message: number;
  index: number;
}

interface Node {
  readonly next: Map<string, Node>;
  shape: WriteShape | undefined;
}

/** More nodes than this are not remembered: somebody uses keys that are data. */
const MAX_NODES = 16 * 1024;

let root: Node = { next: new Map(), shape: undefined };
let nodes = 0;
let latest: WriteShape | undefined;

/** The shape of those keys; undefined when they cannot be written as one. */
export function findShape(keys: readonly string[]): WriteShape | undefined {
  if (latest !== undefined && sameKeys(latest.keys, keys)) return latest;
  if (keys.length > MAX_SHAPE_KEYS) return undefined;
  let node = root;
  for (const key of keys) {
    const next = node.next.get(key) ?? addNode(node, key);
    if (next === undefined) return undefined;
    node = next;
  }
  latest = node.shape ??= {
    keys: keys.slice(),
    count: keys.length,
    joined: keys.join('\0'),
    message: 0,
    index: 0,
  };
  return latest;
}

function sameKeys(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

function addNode(parent: Node, key: string): Node | undefined {
  // ASCII without NUL, as the tape has it.
  if (key.length > MAX_SHAPE_KEY_LENGTH || !/^[\x01-\x7f]+$/.test(key)) return undefined;
  if (++nodes > MAX_NODES) {
    root = { next: new Map(), shape: undefined };
    nodes = 0;
    latest = undefined;
    return undefined;
  }
  const node: Node = { next: new Map(), shape: undefined };
  parent.next.set(key, node);
  return node;
}

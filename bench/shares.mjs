// What of encoding and decoding the JavaScript thread does itself. Servers and clients do the rest,
// between bytes and tape, on other threads.
import { bridge } from '../build/bridge.js';
import { flatten } from '../build/terms/flatten.js';
import { materialise } from '../build/terms/materialise.js';
import { Outbox } from '../build/terms/outbox.js';
import { special } from './documents.mjs';
import { measure } from './measure.mjs';

/**
 * The shares as a Markdown section. It takes the codec's memory for itself: `encode` and `decode` are
 * not to be called afterwards.
 *
 * @param {Record<string, () => unknown>} documents
 * @param {{ rounds: number, roundTime: number }} effort
 */
export function shares(documents, effort) {
  const control = new Uint32Array(8);
  const native = {};
  bridge.native.installCodec(native, control);
  const outbox = new Outbox();
  outbox.attach = ({ words, floats, bytes }) =>
    bridge.native.attachCodecOutbox(words, floats, bytes);
  outbox.attach(outbox);
  const inbox = {
    words: new Uint32Array(1 << 20),
    floats: new Float64Array(1 << 20),
    bytes: Buffer.alloc(8 << 20),
    source: new Uint8Array(0),
  };
  bridge.native.attachCodecInbox(inbox.words, inbox.floats, inbox.bytes);
  const lines = [
    '## The share of the JavaScript thread\n',
    'In a server or client the rest happens on other threads: from bytes to tape, and from tape to bytes.\n',
    '| data | tape → values | bytes → tape | share | values → tape | tape → bytes | share |',
    '| --- | --: | --: | --: | --: | --: | --: |',
  ];
  for (const [name, make] of Object.entries(documents)) {
    const value = Object.hasOwn(special, name) ? make()[0] : make();
    const write = () => {
      outbox.reset();
      return flatten(outbox, value, { objectKeys: 'binary' }, 'value');
    };
    const frame = write();
    const toBytes = () => {
      control.set([frame, 2 ** 28, 0]);
      native.encode();
      return control[0];
    };
    const bytes = Buffer.alloc(toBytes());
    native.copyEncoded(bytes);
    const toTape = () => {
      control.set([bytes.length, 0, 100_000, 2 ** 24]);
      native.decodeBytes(bytes);
    };
    toTape();
    inbox.source = bytes;
    const read = () => materialise(inbox, 0, 0, false);
    const times = measure({ read, toTape, write, toBytes }, effort);
    const share = (own, other) => `${((100 * own) / (own + other)).toFixed(0)} %`;
    lines.push(
      `| ${name} | ${times.read.toFixed(1)} µs | ${times.toTape.toFixed(1)} µs | ${share(times.read, times.toTape)} ` +
        `| ${times.write.toFixed(1)} µs | ${times.toBytes.toFixed(1)} µs | ${share(times.write, times.toBytes)} |`,
    );
  }
  return `\n${lines.join('\n')}\n`;
}

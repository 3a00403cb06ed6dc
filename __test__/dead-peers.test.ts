import test from 'ava';
import { ConnectionLostError, TimeoutError } from '../src/index.js';
import { connect } from './support/rpc.js';
import { eventually } from './support/stalling.js';
import { canMakeHosts, vanishingServer } from './support/vanishing.js';

const onOwnHosts = canMakeHosts ? test.serial : test.serial.skip;
const PATIENT = { connectTimeout: Infinity, recvTimeout: Infinity } as const;

onOwnHosts('a call to a server that vanishes ends without a timeout of its own', async (t) => {
  const server = await vanishingServer(t);
  const client = connect(t, server, { ...PATIENT, deadPeerTimeout: 1500 });
  const pending = client.call('m', 'hold');
  await eventually('the call is under way', () => client.stats().connections === 1);
  await client.call('m', 'f');
  server.vanish();
  // No data is in flight, so only the system's probes notice.
  await t.throwsAsync(pending, { instanceOf: ConnectionLostError });
});

onOwnHosts('a call sent to a server that has vanished ends', async (t) => {
  const server = await vanishingServer(t);
  const client = connect(t, server, { ...PATIENT, deadPeerTimeout: 1500 });
  await client.call('m', 'f');
  server.vanish();
  await t.throwsAsync(client.call('m', 'f'), { instanceOf: ConnectionLostError });
});

onOwnHosts('connecting to a vanished server ends with a TimeoutError', async (t) => {
  const server = await vanishingServer(t);
  server.vanish();
  const client = connect(t, server, { connectTimeout: 500 });
  await t.throwsAsync(client.call('m', 'f'), { instanceOf: TimeoutError });
});

// Replaces the servers of a fleet one after the other under load, and counts the calls that fail.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'backwater';
import { makeCertificate } from './certificate.mjs';
import { NAME, startDns, TTL } from './dns.mjs';
import { Member } from './fleet.mjs';
import { CHECK_INTERVAL, startHaproxy } from './haproxy.mjs';
import { Load } from './load.mjs';
import { freePort } from './processes.mjs';

const HELP = `usage: node examples/fleet/main.mjs [options]

Calls three servers without pause while replacing each in turn.

  --by haproxy|dns|both   how calls find a server: through HAProxy with health checks, or by a DNS
                          name whose addresses change (dnsmasq). Default: both, one after the other
  --calls N               make at least N calls, and at least one round of replacements. Default 50000
  --concurrency N         number of callers. Default 32
  --kill                  kill servers with SIGKILL instead of draining them: first under calls that
                          must not run twice, then under idempotent ones
  --tls                   use TLS; with --by dns only
  --seconds N             give up after N seconds. Default 600
  --json                  print the figures as JSON
  --help                  print this text

Needs haproxy and dnsmasq (Debian's packages), and openssl for --tls.`;

const { values } = parseArgs({
  options: {
    by: { type: 'string', default: 'both' },
    calls: { type: 'string', default: '50000' },
    concurrency: { type: 'string', default: '32' },
    seconds: { type: 'string', default: '600' },
    kill: { type: 'boolean', default: false },
    tls: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const [calls, concurrency, seconds] = ['calls', 'concurrency', 'seconds'].map((name) => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name} takes a positive integer, not ${values[name]}`);
});
if (!['haproxy', 'dns', 'both'].includes(values.by)) {
  throw new Error(`--by takes haproxy, dns or both, not ${values.by}`);
}
if (values.tls && values.by !== 'dns') throw new Error('--tls needs --by dns');
setTimeout(() => {
  console.error(`not finished within ${seconds} s`);
  process.exit(2);
}, seconds * 1000).unref();

const secret = randomBytes(32);
const end = values.kill ? 'kill' : 'stop';

const reports = [];
for (const by of values.by === 'both' ? ['haproxy', 'dns'] : [values.by]) {
  const fleet = by === 'haproxy' ? await behindHaproxy() : await behindName();
  for (const idempotent of values.kill ? [false, true] : [false]) {
    reports.push(await measure(by, fleet, { idempotent }));
  }
  await fleet.stop();
}
if (values.json) console.log(JSON.stringify(reports));
process.exitCode = reports.every((report) => report.ok) ? 0 : 1;

async function measure(by, fleet, { idempotent }) {
  const client = new Client({
    url: fleet.url,
    secret,
    maxConnections: concurrency,
    recvTimeout: 60_000,
    ...fleet.clientOptions,
  });
  const load = new Load(client, { concurrency, options: { idempotent } });
  await load.reach(concurrency);
  let replaced = 0;
  const start = performance.now();
  do {
    for (let place = 0; place < 3; place++) {
      await fleet.replace(place);
      replaced++;
    }
  } while (load.calls < calls);
  await load.stop();
  await client.close();
  const report = {
    by,
    end,
    idempotent,
    calls: load.calls,
    replaced,
    failed: load.failures.length,
    // A killed server loses the calls it is working on: at most all of them.
    allowed: end === 'kill' && !idempotent ? replaced * concurrency : 0,
    repeated: load.repeated,
    seconds: Math.round((performance.now() - start) / 100) / 10,
    failures: tally(load.failures),
  };
  report.ok = report.failed <= report.allowed && (idempotent || report.repeated === 0);
  if (!values.json) console.log(sentence(report));
  return report;
}

function tally(failures) {
  const counts = {};
  for (const { code, message } of failures) {
    const what = `${code}: ${message}`.replaceAll(/\d+/g, 'N');
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

function sentence({
  by,
  calls,
  replaced,
  failed,
  allowed,
  repeated,
  seconds,
  idempotent,
  failures,
}) {
  const kind = idempotent ? 'idempotent calls' : 'calls';
  const verb = end === 'kill' ? 'killed and restarted' : 'replaced';
  const lines = [
    `${by}: ${calls} ${kind} in ${seconds} s, servers ${verb} ${replaced} times: ` +
      `${failed} failed (allowed: ${allowed}), ${repeated} ran twice`,
    ...Object.entries(failures).map(([what, count]) => `  ${count} × ${what}`),
  ];
  return lines.join('\n');
}

/** Servers at fixed addresses, behind HAProxy. */
async function behindHaproxy() {
  // Long enough for HAProxy to notice on a busy machine.
  const drainDelay = CHECK_INTERVAL * 5;
  const members = [];
  for (let place = 0; place < 3; place++) {
    const port = await freePort('127.0.0.1');
    members.push(await new Member({ host: '127.0.0.1', port, secret, drainDelay }).start());
  }
  const haproxy = await startHaproxy(members);
  for (const member of members) await haproxy.waitUntilUp(member);
  return {
    url: haproxy.url,
    async replace(place) {
      await members[place][end]();
      await members[place].start();
      await haproxy.waitUntilUp(members[place]);
    },
    async stop() {
      await haproxy.stop();
      for (const member of members) await member.stop();
    },
  };
}

/** Servers that come and go at their own addresses, behind one name. */
async function behindName() {
  // Long enough for every cached answer to expire.
  const drainDelay = TTL * 1000;
  const port = await freePort('127.0.0.1');
  const tls = values.tls ? makeCertificate(NAME) : undefined;
  let next = 11;
  const startOne = () => {
    const host = `127.0.0.${next++}`;
    return new Member({ host, port, secret, drainDelay, tls }).start();
  };
  const members = [];
  for (let place = 0; place < 3; place++) members.push(await startOne());
  const addresses = () => members.map(({ host }) => host);
  const dns = await startDns(addresses());
  return {
    url: `${tls ? 'https' : 'http'}://${NAME}:${port}`,
    clientOptions: {
      dnsServers: [dns.server],
      resolveInterval: 200,
      ...(tls ? { tls: { ca: tls.cert } } : {}),
    },
    async replace(place) {
      const leaving = members[place];
      if (next > 250) next = 11;
      members[place] = await startOne();
      if (end === 'kill') await leaving.kill();
      await dns.setAddresses(addresses());
      // Answers given just before stay cached for the TTL.
      await sleep(TTL * 1000);
      if (end === 'stop') await leaving.stop();
    },
    async stop() {
      await dns.stop();
      for (const member of members) await member.stop();
    },
  };
}

// Which measurements a run consists of.
import { ALL_IN_FLIGHT, workloads } from './workloads.mjs';

/** Who takes part in what. */
export const SERVERS = [
  'backwater',
  'rust',
  'grpc',
  'grpc, 4',
  'connect',
  'connect, 4',
  'json',
  'json-hmac',
  'fastify',
  'erlang',
];
export const CLIENTS = ['backwater', 'rust', 'grpc', 'connect', 'json', 'json-hmac'];
export const PAIRS = ['backwater', 'rust', 'grpc', 'connect', 'json', 'json-hmac'];

/** The sections of the report: how it is measured, and by which method of the stage. */
export const SECTIONS = {
  server: { title: 'Servers', method: 'replay', peers: SERVERS },
  client: { title: 'Clients', method: 'call', peers: CLIENTS },
  both: { title: 'Client and server of the same kind', method: 'pair', peers: PAIRS },
};

/**
 * Groups of measurements: those of a group follow each other, so that a slow moment of the machine
 * hits them alike.
 *
 * @typedef {{ section: string, workload: string, inFlight: number, peers: string[] }} Group
 * @returns {Group[]}
 */
export function fullPlan({ full }) {
  return Object.entries(SECTIONS).flatMap(([section, { peers }]) =>
    Object.entries(workloads).flatMap(([workload, { inFlight }]) => {
      const reduced = section === 'both' && inFlight.length > 1 ? [1, 64] : inFlight;
      return (full ? ALL_IN_FLIGHT : reduced).map((count) => ({
        section,
        workload,
        inFlight: count,
        peers,
      }));
    }),
  );
}

/** What the table of goals needs. */
export function goalsPlan() {
  const group = (section, workload, inFlight, ...peers) => ({ section, workload, inFlight, peers });
  return [
    group('server', '1 record', 64, 'backwater', 'rust', 'grpc', 'grpc, 4', 'json', 'json-hmac'),
    group('server', '20 records', 64, 'backwater', 'grpc', 'grpc, 4'),
    group('server', '1 record', 1, 'backwater', 'rust'),
    group('client', '1 record', 64, 'backwater', 'grpc', 'json-hmac'),
    group('both', '1 record', 64, 'backwater', 'grpc'),
    group('both', '10,000 records', 4, 'backwater', 'grpc'),
  ];
}

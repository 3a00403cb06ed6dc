/** `rpc.*` and `error.*` are OpenTelemetry's semantic conventions, version 1.45. */
export const ATTRIBUTE = {
  system: 'rpc.system.name',
  method: 'rpc.method',
  status: 'rpc.status_code',
  errorType: 'error.type',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  peerAddress: 'network.peer.address',
  peerPort: 'network.peer.port',
  requestId: 'backwater.request_id',
  caller: 'backwater.caller',
  items: 'backwater.stream.items',
  reason: 'backwater.reason',
  state: 'backwater.state',
} as const;

export const SYSTEM = 'backwater';

/** `rpc.status_code` of calls that returned or threw. */
export const STATUS = { ok: 'OK', exception: 'EXCEPTION' } as const;

/** `error.type` of an error without a usable name. */
export const OTHER = '_OTHER';

export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  /** Whether it only grows. */
  readonly isCounter: boolean;
}

function metric(name: string, unit: string, description: string): Metric {
  return { name, unit, description, isCounter: false };
}

function counter(name: string, unit: string, description: string): Metric {
  return { name, unit, description, isCounter: true };
}

export const DURATION = {
  client: metric('rpc.client.call.duration', 's', 'Duration of outgoing calls.'),
  server: metric('rpc.server.call.duration', 's', 'Duration of incoming calls.'),
} as const;

/** In seconds. */
export const DURATION_BUCKETS = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

export const CLIENT = {
  active: metric('backwater.client.calls.active', '{call}', 'Calls that have not settled.'),
  queued: metric('backwater.client.calls.queued', '{call}', 'Calls that wait for a connection.'),
  calls: counter('backwater.client.calls', '{call}', 'Calls made.'),
  failures: counter('backwater.client.failures', '{call}', 'Failed calls, by error code.'),
  connections: metric('backwater.client.connections', '{connection}', 'Open connections.'),
  connectFailures: counter(
    'backwater.client.connect_failures',
    '{attempt}',
    'Failed attempts to connect.',
  ),
  retries: counter('backwater.client.retries', '{attempt}', 'Repeated attempts.'),
  failovers: counter(
    'backwater.client.failovers',
    '{attempt}',
    'Attempts moved to another server.',
  ),
  hedges: counter('backwater.client.hedges', '{attempt}', 'Second attempts at slow calls.'),
  endpoints: metric('backwater.client.endpoints', '{endpoint}', 'Servers, by state.'),
} as const;

export const SERVER = {
  active: metric('backwater.server.calls.active', '{call}', 'Calls that have not been answered.'),
  abandoned: metric(
    'backwater.server.calls.abandoned',
    '{call}',
    'Calls still running whose callers have gone away.',
  ),
  calls: counter('backwater.server.calls', '{call}', 'Calls accepted.'),
  refused: counter(
    'backwater.server.refused',
    '{request}',
    'Requests that no function saw, by reason.',
  ),
  exceptions: counter('backwater.server.exceptions', '{call}', 'Exceptions raised, by class.'),
  connections: metric('backwater.server.connections', '{connection}', 'Open connections.'),
  memory: metric('backwater.server.memory', 'By', 'Memory that calls in flight take.'),
} as const;

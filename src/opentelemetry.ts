/** Traces and metrics: `import { opentelemetry } from 'backwater/opentelemetry'`. Needs @opentelemetry/api. */
export { opentelemetry, type OpenTelemetryOptions } from './opentelemetry/interceptor.js';
export { observe, type ObserveOptions } from './opentelemetry/observe.js';

import type * as Addon from '../../native.cjs';

export const native = require('#native') as typeof Addon;
export type {
  Bridge as NativeBridge,
  ClientFigures,
  DecodedResponse,
  DecodeFailure,
  Endpoint as NativeEndpoint,
  ExposedFunction,
  ModuleCallers,
  Failure,
  ReplayOptions as NativeReplayOptions,
  ResolveFailure,
  ServerAddress,
} from '../../native.cjs';

/** The addon takes null for undefined. */
export type NativeOptions<Options> = {
  [Name in keyof Options]: undefined extends Options[Name]
    ? Exclude<Options[Name], undefined> | null
    : Options[Name];
};

/** Without a prototype, so that the addon does not read additions to Object.prototype. */
export function nativeOptions<Options extends object>(options: Options): NativeOptions<Options> {
  const fields = { __proto__: null } as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(options)) fields[name] = value ?? null;
  return fields as NativeOptions<Options>;
}

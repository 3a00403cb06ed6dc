import type * as Addon from '../../native.cjs';

/** The addon. `native.cjs` finds the one for this platform; no other module loads it. */
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

/** Options as the addon takes them: null stands for undefined. */
export type NativeOptions<Options> = {
  [Name in keyof Options]: undefined extends Options[Name]
    ? Exclude<Options[Name], undefined> | null
    : Options[Name];
};

/**
 * Options for the addon. It reads the properties that it knows, so the object has no prototype: otherwise it
 * would read additions to Object.prototype.
 */
export function nativeOptions<Options extends object>(options: Options): NativeOptions<Options> {
  const fields = { __proto__: null } as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(options)) fields[name] = value ?? null;
  return fields as NativeOptions<Options>;
}

import { OptionError } from '../errors/errors.js';
import { inspectBriefly } from '../platform/inspect.js';
import { isPlainObject } from '../platform/realms.js';
import { types } from 'node:util';
import { parseSecrets, type Secret } from './secrets.js';
import { type OptionType, refuseOption } from './table.js';

/** The secrets of one caller, and whether its requests must state its name. */
export type CallerSecrets =
  | Secret
  | readonly Secret[]
  | {
      /** The caller's secret, or several that are all accepted. */
      readonly secret: Secret | readonly Secret[];
      /**
       * Whether requests must state the caller's name. Erlang's clients cannot.
       *
       * @defaultValue `'optional'` if no caller says `hint`, otherwise `'required'`
       */
      readonly hint?: 'optional' | 'required' | undefined;
    };

/**
 * Who may call a server: secrets that all callers share, or the secrets of each caller by the name that
 * functions read in {@link CallContext.caller}.
 */
export type ServerSecrets = Secret | readonly Secret[] | Readonly<Record<string, CallerSecrets>>;

export interface NativeCaller {
  /** Null for secrets without a name. */
  readonly name: string | null;
  readonly secrets: Buffer[];
  /** Null if the option does not say. */
  readonly needsName: boolean | null;
}

const NAME = /^[\x21-\x7e]{1,64}$/;

export const callerName: OptionType<string | undefined> = {
  takes: 'a name of 1 to 64 visible ASCII characters',
  accepts: (value): value is string => typeof value === 'string' && NAME.test(value),
};

/**
 * The addon checks whether the callers can be used together.
 *
 * @throws {@link OptionError} that never shows a secret
 */
export function parseCallers(value: unknown): NativeCaller[] {
  if (!isRecord(value)) return [{ name: null, secrets: parseSecrets(value), needsName: null }];
  const callers = Object.entries(value);
  if (callers.length === 0) {
    throw refuseOption('secret', 'takes at least one caller, not an empty object');
  }
  return callers.map(([name, secrets]) => {
    if (!callerName.accepts(name)) {
      throw refuseOption(
        'secret',
        `has a caller whose name is not ${callerName.takes}: ${inspectBriefly(name, 100)}`,
      );
    }
    return { name, ...parseCaller(secrets, `secret.${name}`) };
  });
}

function parseCaller(value: unknown, option: string): Omit<NativeCaller, 'name'> {
  if (!isRecord(value)) return { secrets: parseSecrets(value, option), needsName: null };
  const { secret, hint, ...unknown } = value;
  const [name] = Object.keys(unknown);
  if (name !== undefined) {
    throw new OptionError(
      `unknown option ${inspectBriefly(name, 100)} of '${option}'; the options are secret, hint`,
      { option: `${option}.${name}` },
    );
  }
  const secrets = parseSecrets(secret, `${option}.secret`);
  if (hint === undefined) return { secrets, needsName: null };
  if (hint !== 'optional' && hint !== 'required') {
    const given = inspectBriefly(hint, 100);
    throw refuseOption(`${option}.hint`, `takes 'optional' or 'required', not ${given}`);
  }
  return { secrets, needsName: hint === 'required' };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return !Array.isArray(value) && !types.isUint8Array(value) && isPlainObject(value);
}

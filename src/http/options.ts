import {
  callTable,
  clientOptions,
  type CallSettings,
  type ClientTuning,
} from '../client/options.js';
import { Metadata } from '../options/metadata.js';
import { option, type OptionsOf, readOptions } from '../options/table.js';
import { oneOf } from '../options/types.js';

export const encodeRequestTable = {
  ...callTable,
  /**
   * The content encoding that the result may have.
   *
   * The signature covers the body as it is sent, so use `'gzip'` only with HTTP clients that return compressed
   * bodies unchanged, such as `node:http`. `fetch` and most others decompress them.
   */
  acceptEncoding: option(oneOf('identity', 'gzip'), 'identity'),
};

/** Options of {@link encodeRequest}. They take precedence over the options of its target. */
export interface EncodeRequestOptions extends OptionsOf<typeof encodeRequestTable> {}

export function encodeRequestOptions(
  target: ClientTuning,
  input?: EncodeRequestOptions | null,
): CallSettings & { readonly acceptEncoding: 'identity' | 'gzip' } {
  const client = clientOptions(target, 'encodeRequest');
  const acceptEncoding = 'identity' as const;
  const base = { ...client, metadata: undefined, acceptEncoding };
  const values = readOptions(encodeRequestTable, input, 'encodeRequest', base);
  const metadata = Metadata.of(values.metadata, client.metadata);
  return Object.freeze({ ...client, ...values, metadata });
}

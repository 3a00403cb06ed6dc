/** The command line, a file or a secret is wrong. */
export class UsageError extends Error {
  override name = 'UsageError';
}

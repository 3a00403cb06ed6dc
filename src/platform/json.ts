/** Unlike `JSON.stringify`, calls no `toJSON`, which libraries add to built-in prototypes. */
export function toJson(given: unknown, replace?: (value: unknown) => unknown): string {
  const value = replace === undefined ? given : replace(given);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map((each) => toJson(each, replace)).join(',')}]`;
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .map(([name, field]) => `${JSON.stringify(name)}:${toJson(field, replace)}`);
  return `{${fields.join(',')}}`;
}

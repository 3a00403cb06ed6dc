import type { inspect, InspectOptions } from 'node:util';

export const inspectSymbol: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never;

/** `@types/node` has renamed its type for these. */
export interface PrinterOptions extends InspectOptions {
  stylize(text: string, styleType: string): string;
}

export type Inspector = (
  depth: number | null,
  options: PrinterOptions,
  print: typeof inspect,
) => string;

/** `util.inspect` passes unknown options on to custom printers. */
interface Options extends PrinterOptions {
  readonly backwaterEnclosing?: readonly object[];
}

/** @param subject the printed object, to detect cycles */
export function inspectCall(
  subject: object,
  name: string,
  args: readonly unknown[],
  depth: number | null,
  options: Options,
  print: typeof inspect,
): string {
  const enclosing = options.backwaterEnclosing ?? [];
  if (depth !== null && depth < 0) return options.stylize(`[${name}]`, 'special');
  if (enclosing.includes(subject)) return options.stylize('[Circular]', 'special');
  try {
    const inner: Options = {
      ...options,
      depth: depth === null ? depth : depth - 1,
      backwaterEnclosing: [...enclosing, subject],
    };
    const most = options.maxArrayLength ?? Infinity;
    const texts = args.slice(0, most).map((argument) => print(argument, inner));
    const more = args.length - texts.length;
    if (more > 0) texts.push(`... ${more} more item${more === 1 ? '' : 's'}`);
    return joined(name, texts, options);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return options.stylize(`[${name}: nested too deeply to be shown]`, 'special');
  }
}

function joined(name: string, texts: readonly string[], options: PrinterOptions): string {
  const line = `${name}(${texts.join(', ')})`;
  const long = withoutColours(line).length > (options.breakLength ?? 128);
  if (!long && !line.includes('\n')) return line;
  if (options.compact === true || options.breakLength === Infinity) return line;
  return `${name}(\n  ${texts.map((text) => text.replaceAll('\n', '\n  ')).join(',\n  ')}\n)`;
}

function withoutColours(text: string): string {
  return text.replace(/\x1b\[\d+m/g, '');
}

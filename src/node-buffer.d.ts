/** Methods that every Buffer of Node, Bun and Deno has and @types/node does not list. */
interface Buffer {
  latin1Slice(start?: number, end?: number): string;
  utf8Slice(start?: number, end?: number): string;
  ucs2Slice(start?: number, end?: number): string;
  utf8Write(text: string, offset?: number, length?: number): number;
  ucs2Write(text: string, offset?: number, length?: number): number;
}

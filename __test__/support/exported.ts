export const version = '1.0';

export function greet(name: string): string {
  return `hello, ${name}`;
}

export const add = (a: number, b: number): number => a + b;

export default function (value: unknown): unknown {
  return value;
}

export class Greeter {
  greet = greet;
}

export const settings = { retries: 3 };

import { types } from 'node:util';
import { attempt, inspectBriefly } from '../platform/inspect.js';
import { type Atom, ownAtom } from '../terms/atom.js';
import { brandOf } from '../platform/brands.js';
import { TERM, type TermKind } from '../terms/brands.js';
import { byteLength, copyBytes } from '../platform/bytes.js';
import type {
  BitString,
  ExternalFunction,
  Float,
  Fun,
  NativeRecord,
  Pid,
  Port,
  Reference,
} from '../terms/values.js';
import { SerializeError } from './serialize-error.js';
import * as tape from './tape.js';
import type { TapeWriter } from './tape-writer.js';

// Values may come from another version of the library or `Object.create`, so fields are checked
// again.

export function writeOpaque(writer: TapeWriter, value: object, kind: TermKind): void {
  switch (kind) {
    case 'atom':
      writer.writeAtom(atomOf(value, 'an Atom'));
      return;
    case 'float':
      writer.writeDouble((value as Float).value);
      return;
    case 'bit_string':
      writeBitString(writer, value as BitString);
      return;
    case 'pid':
      writePid(writer, value as Pid);
      return;
    case 'port':
      writePort(writer, value as Port);
      return;
    case 'reference':
      writeReference(writer, value as Reference);
      return;
    case 'external_function':
      writeExternalFunction(writer, value as ExternalFunction);
      return;
    default:
      throw new SerializeError(`is a term of the unknown kind ${inspectBriefly(kind)}`);
  }
}

export function writeFunHead(writer: TapeWriter, fun: Fun): unknown[] {
  const what = 'a Fun';
  const parts = fun.parts ?? fail(what);
  const { uniq, free } = parts;
  check(types.isUint8Array(uniq) && byteLength(uniq) === 16 && Array.isArray(free), what);
  const bytes = copyBytes(uniq);
  writer.putExt(tape.FUN, byte(parts.arity, what));
  writer.put(free.length);
  for (let offset = 0; offset < 16; offset += 4) writer.put(bytes.readUInt32BE(offset));
  writer.put(uint32(parts.index, what));
  writer.put(writer.atomIndex(atomOf(parts.module, what)));
  return [parts.oldIndex, parts.oldUniq, parts.pid, ...free];
}

export function writeNativeRecordHead(writer: TapeWriter, record: NativeRecord): unknown[] {
  const what = 'a NativeRecord';
  const { module, name, exported, fields } = record;
  check(types.isMap(fields) && typeof exported === 'boolean', what);
  const entries = Array.from(fields);
  if (entries.length > tape.MAX_FIELDS) {
    throw new SerializeError(`is ${what} with more than ${tape.MAX_FIELDS} fields`);
  }
  writer.putExt(tape.NATIVE_RECORD, entries.length);
  writer.put(exported ? 1 : 0);
  for (const part of [module, name, ...entries.map(([field]) => field)]) {
    writer.put(writer.atomIndex(atomOf(part, what)));
  }
  return entries.map(([, value]) => value);
}

function writeBitString(writer: TapeWriter, { bytes, bits }: BitString): void {
  const what = 'a BitString';
  check(types.isUint8Array(bytes) && Number.isInteger(bits) && bits >= 1 && bits <= 7, what);
  const length = byteLength(bytes);
  check(length > 0, what);
  writer.addSize(length);
  writer.putExt(tape.BITSTRING, bits);
  writer.put(length);
  writer.put(writer.addSource(bytes, length));
}

function writePid(writer: TapeWriter, { node, id, serial, creation }: Pid): void {
  const what = 'a Pid';
  writer.putExt(tape.PID, 0);
  writer.put(writer.atomIndex(atomOf(node, what)));
  for (const field of [id, serial, creation]) writer.put(uint32(field, what));
}

function writePort(writer: TapeWriter, { node, id, creation }: Port): void {
  const what = 'a Port';
  check(typeof id === 'bigint' && BigInt.asUintN(64, id) === id, what);
  writer.putExt(tape.PORT, 0);
  writer.put(writer.atomIndex(atomOf(node, what)));
  writer.put(Number(id >> 32n));
  writer.put(Number(id & 0xffffffffn));
  writer.put(uint32(creation, what));
}

function writeReference(writer: TapeWriter, { node, creation, ids }: Reference): void {
  const what = 'a Reference';
  check(Array.isArray(ids) && ids.length >= 1 && ids.length <= 5, what);
  const numbers = Array.from(ids, (id) => uint32(id, what));
  writer.putExt(tape.REFERENCE, numbers.length);
  writer.put(writer.atomIndex(atomOf(node, what)));
  writer.put(uint32(creation, what));
  for (const id of numbers) writer.put(id);
}

function writeExternalFunction(writer: TapeWriter, value: ExternalFunction): void {
  const what = 'an ExternalFunction';
  writer.putExt(tape.EXTFUN, byte(value.arity, what));
  writer.put(writer.atomIndex(atomOf(value.module, what)));
  writer.put(writer.atomIndex(atomOf(value.function, what)));
}

function atomOf(value: unknown, what: string): Atom {
  const atom = brandOf(value, TERM) === 'atom' ? attempt(() => ownAtom(value as Atom)) : undefined;
  return atom ?? fail(what);
}

function uint32(value: number, what: string): number {
  check(typeof value === 'number' && value >>> 0 === value, what);
  return value;
}

function byte(value: number, what: string): number {
  check(typeof value === 'number' && (value & 0xff) === value, what);
  return value;
}

function check(holds: boolean, what: string): void {
  if (!holds) fail(what);
}

function fail(what: string): never {
  throw new SerializeError(`is ${what} with an invalid field`);
}

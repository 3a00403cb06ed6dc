// Reads the dynamic section of a shared library (ELF, 64 bits, little endian).

const SECTION_HEADERS_AT = 0x28;
const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;
const [SHT_DYNAMIC, SHT_DYNSYM, SHT_VERNEED] = [6, 11, 0x6ffffffe];
const DYNAMIC_SIZE = 16;
const [DT_NEEDED, DT_FLAGS] = [1, 30];
const DF_STATIC_TLS = 0x10;
const STB_WEAK = 2;

/**
 * @returns `versions` such as `GLIBC_2.17`, and in `staticTls` whether thread-local variables must
 * lie among the program's
 */
export function readElf(bytes) {
  if (bytes.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') {
    throw new Error('is not a 64-bit little-endian ELF file');
  }
  const sections = sectionsOf(bytes);
  const symbols = symbolsOf(bytes, sections);
  const dynamic = dynamicOf(bytes, sections);
  return {
    needed: dynamic.filter(({ tag }) => tag === DT_NEEDED).map(({ name }) => name()),
    staticTls: dynamic.some(({ tag, value }) => tag === DT_FLAGS && (value & DF_STATIC_TLS) !== 0),
    versions: versionsOf(bytes, sections),
    undefined: symbols
      .filter(({ defined, weak }) => !defined && !weak)
      .map(({ name }) => name)
      .sort(),
    defined: symbols.filter(({ defined }) => defined).map(({ name }) => name),
  };
}

function sectionsOf(bytes) {
  const start = Number(bytes.readBigUInt64LE(SECTION_HEADERS_AT));
  const count = bytes.readUInt16LE(0x3c);
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * SECTION_HEADER_SIZE;
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 0x18)),
      size: Number(bytes.readBigUInt64LE(at + 0x20)),
      link: bytes.readUInt32LE(at + 0x28),
      info: bytes.readUInt32LE(at + 0x2c),
    };
  });
}

function withNames(bytes, sections, type) {
  const section = sections.find((each) => each.type === type);
  if (section === undefined) return undefined;
  const strings = sections[section.link].offset;
  const name = (offset) => {
    const from = strings + offset;
    return bytes.toString('latin1', from, bytes.indexOf(0, from));
  };
  return { ...section, name };
}

function symbolsOf(bytes, sections) {
  const table = withNames(bytes, sections, SHT_DYNSYM);
  if (table === undefined) return [];
  const symbols = [];
  for (let at = table.offset + SYMBOL_SIZE; at < table.offset + table.size; at += SYMBOL_SIZE) {
    const name = table.name(bytes.readUInt32LE(at));
    const weak = bytes[at + 4] >> 4 === STB_WEAK;
    if (name !== '') symbols.push({ name, weak, defined: bytes.readUInt16LE(at + 6) !== 0 });
  }
  return symbols;
}

function dynamicOf(bytes, sections) {
  const table = withNames(bytes, sections, SHT_DYNAMIC);
  return Array.from({ length: (table?.size ?? 0) / DYNAMIC_SIZE }, (_, index) => {
    const at = table.offset + index * DYNAMIC_SIZE;
    const value = Number(bytes.readBigUInt64LE(at + 8));
    return { tag: Number(bytes.readBigInt64LE(at)), value, name: () => table.name(value) };
  });
}

function versionsOf(bytes, sections) {
  const table = withNames(bytes, sections, SHT_VERNEED);
  const versions = new Set();
  let library = table?.offset;
  for (let left = table?.info ?? 0; left > 0; left--) {
    let version = library + bytes.readUInt32LE(library + 8);
    for (let inside = bytes.readUInt16LE(library + 2); inside > 0; inside--) {
      versions.add(table.name(bytes.readUInt32LE(version + 8)));
      version += bytes.readUInt32LE(version + 12);
    }
    library += bytes.readUInt32LE(library + 12);
  }
  return [...versions].sort();
}

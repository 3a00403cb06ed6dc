import { spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { projectRoot } from './root.js';

export interface Example {
  readonly page: string;
  readonly line: number;
  readonly language: 'ts' | 'js';
  /** Its lines, at the same places as in the page; all others are empty. */
  readonly lines: readonly string[];
  readonly run: boolean;
  readonly file: string | undefined;
  readonly output: readonly string[] | undefined;
}

const FENCE = /^(?<indent> *)(?<comment>\* ?)?```(?<info>.*)$/;

/** CONTRIBUTING.md describes the words after the language. */
export function examplesIn(page: string, text: string): Example[] {
  const examples: Example[] = [];
  const pageLines = text.split('\n');
  let before: string[] = [];
  for (let index = 0; index < pageLines.length; index++) {
    const opening = FENCE.exec(pageLines[index]!)?.groups;
    if (opening === undefined) continue;
    const start = index;
    const body: string[] = [];
    for (index++; index < pageLines.length; index++) {
      const closing = FENCE.exec(pageLines[index]!)?.groups;
      if (closing?.['info'] === '') break;
      body.push(withoutMargin(pageLines[index]!, opening['indent']!.length, opening['comment']));
    }
    const [language = '', ...words] = opening['info']!.trim().split(/\s+/);
    if (language !== 'ts' && language !== 'js') continue;
    const flags = new Set(words.filter((word) => !word.startsWith('file=')));
    const file = words.find((word) => word.startsWith('file='))?.slice(5);
    for (const flag of flags) {
      if (flag !== 'run' && flag !== 'continued' && flag !== 'unchecked') {
        throw new Error(`${page}:${start + 1}: '${flag}' is nothing that an example can be`);
      }
    }
    if (flags.has('unchecked')) continue;
    const lines = flags.has('continued') ? [...before] : [];
    while (lines.length <= start) lines.push('');
    lines.push(...body);
    before = lines;
    const run = flags.has('run');
    const output = run ? promisedOutput(lines) : undefined;
    examples.push({ page, line: start + 1, language, lines, run, file, output });
  }
  return examples;
}

function withoutMargin(line: string, indent: number, comment: string | undefined): string {
  const rest = line.slice(0, indent).trim() === '' ? line.slice(indent) : line;
  return comment === undefined ? rest : rest.replace(/^\* ?/, '');
}

function promisedOutput(lines: readonly string[]): string[] | undefined {
  const comments = lines.flatMap((line) => {
    const comment = /\bconsole\.log\(.*\);? +\/\/ (?<text>.*)$/.exec(line)?.groups;
    return comment === undefined ? [] : [comment['text']!];
  });
  return comments.length === 0 ? undefined : comments;
}

export function allExamples(): Example[] {
  const root = projectRoot();
  const places = [...pages(), ...filesBelow('src', '.ts')];
  return places.flatMap((page) => examplesIn(page, readFileSync(join(root, page), 'utf8')));
}

export function pages(): string[] {
  return ['README.md', ...filesBelow('docs', '.md')];
}

function filesBelow(folder: string, ending: string): string[] {
  const root = projectRoot();
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name).split(sep).join('/'))
    .sort();
}

/** A folder where `backwater` is installed as users have it. */
export class ExampleFolder {
  readonly #root = projectRoot();
  readonly #folder = join(this.#root, 'build-test', 'docs');
  readonly #complaints = new Map<string, string[]>();

  prepare(examples: readonly Example[]): void {
    rmSync(this.#folder, { recursive: true, force: true });
    this.#install();
    writeFileSync(
      join(this.#folder, 'package.json'),
      JSON.stringify({ name: 'examples', private: true, type: 'module' }),
    );
    for (const example of examples) {
      const path = join(this.#folder, sourcePath(example));
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `${example.lines.join('\n')}\n`);
    }
    const files = examples.map(sourcePath);
    this.#compile('ts', files, { strict: true, noUncheckedIndexedAccess: true });
    // Examples in JavaScript cannot be strict, or declare that SECRET is set.
    writeFileSync(
      join(this.#folder, 'environment.d.ts'),
      'declare namespace NodeJS { interface ProcessEnv { SECRET: string } }\n',
    );
    this.#compile('js', [...files, 'environment.d.ts'], {
      strict: false,
      strictNullChecks: true,
      allowJs: true,
      checkJs: true,
    });
  }

  complaints(example: Example): readonly string[] {
    return this.#complaints.get(sourcePath(example)) ?? [];
  }

  run(example: Example): Promise<{ status: number | string; output: string; errors: string }> {
    const path = join(this.#folder, 'run', sourcePath(example).replace(/\.ts$/, '.js'));
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['--enable-source-maps', path], {
        cwd: dirname(path),
        env: { ...process.env, SECRET: 'a secret for examples, 32 bytes!', NO_COLOR: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: RUN_TIMEOUT,
        killSignal: 'SIGKILL',
      });
      let output = '';
      let errors = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
      child.once('error', reject);
      child.once('close', (code, signal) => {
        resolve({ status: code ?? signal ?? 'unknown', output, errors });
      });
    });
  }

  #install(): void {
    const target = join(this.#folder, 'node_modules', 'backwater');
    mkdirSync(target, { recursive: true });
    cpSync(join(this.#root, 'package.json'), join(target, 'package.json'));
    const { files } = JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')) as {
      files: string[];
    };
    for (const file of files) {
      const source = join(this.#root, file);
      if (file !== 'build' && existsSync(source)) symlinkSync(source, join(target, file));
    }
    mkdirSync(join(this.#folder, 'node_modules', '@opentelemetry'));
    const peer = join('node_modules', '@opentelemetry', 'api');
    symlinkSync(join(this.#root, peer), join(this.#folder, peer));
    const project = join(this.#root, 'tsconfig.build.json');
    const compiled = this.#tsc('-p', project, '--outDir', join(target, 'build'));
    if (compiled.status !== 0) throw new Error(`the package does not compile:\n${compiled.output}`);
    const finished = runNode(join(this.#root, 'scripts', 'facades.mjs'), target);
    if (finished.status !== 0) throw new Error(`the package has no facades:\n${finished.output}`);
  }

  #compile(language: string, files: readonly string[], options: object): void {
    const project = join(this.#folder, `tsconfig.${language}.json`);
    const include = files.filter((file) => file.endsWith(`.${language}`) || file.endsWith('.d.ts'));
    if (include.length === 0) return;
    writeFileSync(
      project,
      JSON.stringify({
        compilerOptions: {
          target: 'ES2023',
          lib: ['ES2024', 'ESNext.Disposable'],
          module: 'NodeNext',
          moduleDetection: 'force',
          types: ['node'],
          skipLibCheck: true,
          sourceMap: true,
          rootDir: '.',
          outDir: 'run',
          ...options,
        },
        files: include,
      }),
    );
    const { status, output } = this.#tsc('-p', project, '--pretty', 'false');
    let known = status === 0;
    for (const line of output.split('\n')) {
      const place = /^(?<path>[^()\s][^()]*)\((?<line>\d+),\d+\): (?<what>.*)$/.exec(line)?.groups;
      if (place === undefined) continue;
      const path = this.#relative(place['path']!);
      const list = this.#complaints.get(path) ?? [];
      list.push(`line ${place['line']}: ${place['what']}`);
      this.#complaints.set(path, list);
      known ||= files.includes(path);
    }
    if (!known) throw new Error(`the examples cannot be compiled:\n${output}`);
  }

  /** The compiler's paths are relative to its working directory. */
  #relative(path: string): string {
    return relative(this.#folder, join(this.#root, path)).split(sep).join('/');
  }

  #tsc(...args: string[]): { status: number | null; output: string } {
    return runNode(join(this.#root, 'node_modules', 'typescript', 'bin', 'tsc'), ...args);
  }
}

function runNode(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: projectRoot(),
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

/** In milliseconds. */
const RUN_TIMEOUT = 60_000;

function sourcePath({ page, line, language, file }: Example): string {
  return `${page}/${file ?? `line-${line}.${language}`}`;
}

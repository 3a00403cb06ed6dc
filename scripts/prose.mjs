// Finds phrases that read as if translated.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const RULES = [
  [/(?<!there )\bis no (?!longer\b|more than\b|way\b)/i, '"is not a …"'],
  [/\bthere (is|are) (not (?!enough)|no such)\b/i, '"does not exist"'],
  [/\b(nobody|somebody)\b/i, 'who you mean'],
  [
    /(?<!\b(?:each|any|some|both|all|most|none|one|first) )\b(of|in|by|for|with|from|to|at|on) which\b/i,
    'two sentences, or "where"',
  ],
  [/\b(of|to|by|for|with) whom\b/i, 'who does it'],
  [/(^|[.:;] )What (is|are|has|was|comes|goes|can|does|cannot|must|they|it|no)\b/, 'the noun'],
  [/\bsuch (as are|that)\b/i, 'it directly'],
  [/\bthe begin\b/i, '"the start"'],
  [/\ball (that|of what)\b/i, '"everything"'],
  [/\b(that|those) of\b/i, 'the noun again'],
  [/\bthose (that|who|which)\b/i, 'the noun'],
  [/\b(is|are) (told|shown|asked|to be)\b/i, 'who does it'],
  [/\b(any|no) more (?!than\b)(?=$|[.,;:)])/i, '"no longer"'],
  [/\bbut for\b/i, '"except"'],
  [/\bso many\b/i, 'the number'],
  [/\bapart\b(?! from\b)/i, '"out-of-band" or "separately"'],
  [/\bgoes? before\b/i, '"takes precedence over"'],
  [/\bfurther\b/i, '"more" or "another"'],
  [
    /\b(materiali[sz]e|verdict|farewell|shakes? hands|waits? awake|last words)\b/i,
    'the usual term',
  ],
];

const { stdout } = spawnSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' });
let found = 0;
for (const path of stdout
  .split('\n')
  .filter((path) => /\.(md|rs|ts|mts|mjs|js|yml|erl|escript|exs?)$/.test(path))) {
  if (path === 'scripts/prose.mjs') continue;
  const lines = readFileSync(join(root, path), 'utf8').split('\n');
  const prose = path.endsWith('.md') ? paragraphs(lines) : commentsAndMessages(lines);
  for (const [line, text] of prose) {
    for (const [phrase, instead] of RULES) {
      const match = phrase.exec(text.replace(/`[^`]*`/g, 'x'));
      if (match === null) continue;
      found++;
      console.error(`${path}:${line}: instead of "${match[0].trim()}", write ${instead}`);
    }
  }
}
if (found > 0) {
  console.error(`${found} phrases to rewrite`);
  process.exit(1);
}

function* paragraphs(lines) {
  let isCode = false;
  for (const [index, line] of lines.entries()) {
    if (/^\s*```/.test(line)) isCode = !isCode;
    else if (!isCode) yield [index + 1, line];
  }
}

function* commentsAndMessages(lines) {
  for (const [index, line] of lines.entries()) {
    const comment = /(?:^|\s)(?:\/\/[/!]?|\/?\*\*?|#|%+) (.*)$/.exec(line)?.[1];
    if (comment !== undefined) yield [index + 1, comment];
    else
      for (const [, , text] of line.matchAll(/(['"`])((?:\S+ ){3,}.*?)\1/g))
        yield [index + 1, text];
  }
}

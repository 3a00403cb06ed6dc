import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { erlangAvailable } from './interop/erlang.js';
import { elixirAvailable } from './support/evaluators.js';
import { pages } from './support/examples.js';
import { projectRoot } from './support/root.js';

// Parses examples that no test runs.

function blocksIn(language: string): { place: string; text: string }[] {
  return pages().flatMap((page) => {
    const text = readFileSync(join(projectRoot(), page), 'utf8');
    const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'));
    return Array.from(blocks, (block) => ({
      place: `${page}:${text.slice(0, block.index).split('\n').length}`,
      text: block[1]!,
    }));
  });
}

function complaints(blocks: readonly { place: string; text: string }[], command: string[]) {
  const input = blocks.map(({ text }) => `${Buffer.from(text).toString('base64')}\n`).join('');
  const [program, ...args] = command;
  const { stdout, stderr } = spawnSync(program!, args, {
    input,
    encoding: 'utf8',
    timeout: 240_000,
  });
  const lines = stdout.trimEnd().split('\n');
  return blocks.flatMap(({ place }, index) =>
    lines[index] === 'ok' ? [] : [`${place}: ${lines[index] ?? stderr}`],
  );
}

test('shell examples are valid in bash', (t) => {
  const blocks = blocksIn('sh');
  t.true(blocks.length > 5);
  for (const { place, text } of blocks) {
    const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' });
    t.is(status, 0, `${place}: ${stderr}`);
  }
});

const readErlang = `
  Parse = fun Parse(Text) ->
    case erl_scan:tokens([], Text, 1) of
      {done, {ok, Tokens, _}, Rest} -> {ok, _} = erl_parse:parse_exprs(Tokens), Parse(Rest);
      {done, {eof, _}, _} -> ok;
      {more, _} -> case string:trim(Text) of "" -> ok; _ -> {unfinished, Text} end
    end
  end,
  Read = fun Read() ->
    case io:get_line("") of
      eof -> halt(0);
      Line ->
        Text = unicode:characters_to_list(base64:decode(string:trim(Line))),
        io:format("~0tp~n", [try Parse(Text ++ " ") catch _:Reason -> Reason end]),
        Read()
    end
  end,
  Read().`;

(erlangAvailable() ? test : test.skip)('Erlang reads what is written for it', (t) => {
  const blocks = blocksIn('erlang');
  t.true(blocks.length > 3);
  t.deepEqual(complaints(blocks, ['erl', '-noinput', '-noshell', '-eval', readErlang]), []);
  const broken = [{ place: 'here', text: 'f(X' }];
  t.is(complaints(broken, ['erl', '-noinput', '-noshell', '-eval', readErlang]).length, 1);
});

const readElixir = `
  for line <- IO.stream(:stdio, :line) do
    case line |> String.trim() |> Base.decode64!() |> Code.string_to_quoted() do
      {:ok, _} -> IO.puts("ok")
      {:error, reason} -> IO.puts(inspect(reason))
    end
  end`;

(elixirAvailable() ? test : test.skip)('Elixir reads what is written for it', (t) => {
  const blocks = blocksIn('elixir');
  t.true(blocks.length > 3);
  t.deepEqual(complaints(blocks, ['elixir', '-e', readElixir]), []);
  t.is(complaints([{ place: 'here', text: 'f(x' }], ['elixir', '-e', readElixir]).length, 1);
});

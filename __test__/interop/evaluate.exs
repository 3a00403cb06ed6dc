# Evaluates terms in Elixir's syntax, line by line as evaluate.escript does.

different = fn term ->
  term |> inspect(limit: :infinity, printable_limit: :infinity) |> Base.encode64()
end

IO.stream(:stdio, :line)
|> Enum.each(fn line ->
  [text, encoded] = line |> String.split() |> Enum.map(&Base.decode64!/1)

  answer =
    try do
      {term, _} = Code.eval_string(text)
      expected = :erlang.binary_to_term(encoded)

      if :erlang.term_to_binary(term) == :erlang.term_to_binary(expected),
        do: "same",
        else: different.(term)
    catch
      class, reason -> different.({class, reason})
    end

  IO.puts("=" <> answer)
end)

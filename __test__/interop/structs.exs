# Compares structs with what they are sent as. Reads a line for each: base64 of an expression, and base64
# of an encoding. Answers with `=` and base64 of what the expression is, given the decoded term as `it`.

IO.stream(:stdio, :line)
|> Enum.each(fn line ->
  [text, encoded] = line |> String.split() |> Enum.map(&Base.decode64!/1)

  answer =
    try do
      {term, _} = Code.eval_string(text, it: :erlang.binary_to_term(encoded))
      :erlang.term_to_binary(term)
    catch
      class, reason -> :erlang.term_to_binary({:failed, inspect({class, reason})})
    end

  IO.puts("=" <> Base.encode64(answer))
end)

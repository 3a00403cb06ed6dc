#!/usr/bin/env escript
%% The Erlang side of the benchmark of terms: obeys lines of standard input, answers each with one.
%%   load PATH   keeps the encoding in that file, and its term
%%   decode N    microseconds that binary_to_term takes N times
%%   encode N    microseconds that term_to_binary takes N times
-mode(compile).

main(_) ->
    loop(<<>>, nil).

loop(Binary, Term) ->
    case io:get_line("") of
        eof ->
            ok;
        Line ->
            case string:lexemes(Line, " \n") of
                ["load", Path] ->
                    {ok, Loaded} = file:read_file(Path),
                    io:put_chars("loaded\n"),
                    loop(Loaded, binary_to_term(Loaded));
                ["decode", Count] ->
                    answer(fun() -> decode(list_to_integer(Count), Binary) end),
                    loop(Binary, Term);
                ["encode", Count] ->
                    answer(fun() -> encode(list_to_integer(Count), Term) end),
                    loop(Binary, Term)
            end
    end.

answer(Work) ->
    {Micros, _} = timer:tc(Work),
    io:format("~b~n", [Micros]).

%% Results are passed on, because the compiler removes code whose result is unused.
decode(Count, Binary) -> decode(Count, Binary, nil).

decode(0, _, Last) -> Last;
decode(Count, Binary, _) -> decode(Count - 1, Binary, binary_to_term(Binary)).

encode(Count, Term) -> encode(Count, Term, 0).

encode(0, _, Sum) -> Sum;
encode(Count, Term, Sum) -> encode(Count - 1, Term, Sum + byte_size(term_to_binary(Term))).

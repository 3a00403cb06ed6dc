#!/usr/bin/env escript
%%! +pc unicode

%% Evaluates terms in Erlang's syntax. Each input line has the text and the expected encoding, in
%% base64. Each answer is a line with `=`, then `same`, or the actual term or error in base64. Ignore
%% other output.

main([]) ->
    io:setopts(standard_io, [binary, {encoding, latin1}]),
    answer(io:get_line("")).

answer(eof) ->
    ok;
answer(Line) ->
    [Text, Encoded] = [base64:decode(Word) || Word <- binary:split(string:trim(Line), <<" ">>)],
    Answer =
        try
            Term = evaluate(unicode:characters_to_list(Text)),
            Expected = binary_to_term(Encoded),
            case term_to_binary(Term) =:= term_to_binary(Expected) of
                true -> <<"same">>;
                false -> different(Term)
            end
        catch
            Class:Reason -> different({Class, Reason})
        end,
    io:put_chars([$=, Answer, $\n]),
    answer(io:get_line("")).

evaluate(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Term, _} = erl_eval:exprs(Expressions, erl_eval:new_bindings()),
    Term.

different(Term) ->
    base64:encode(unicode:characters_to_binary(io_lib:format("~tp", [Term]))).

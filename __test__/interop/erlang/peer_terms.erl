-module(peer_terms).

%% Decodes terms for differential tests. Reads base64 lines, and writes a line of JSON
%% for each in order. A second word on a line is an encoding to compare with the first.

-export([main/1]).

-spec main([string()]) -> ok.
main(Arguments) ->
    Options = peer_options:parse(Arguments, #{
        print => {boolean, true}, safe => {boolean, false}, describe => {boolean, false}
    }),
    Stdio = peer_stdio:open(),
    Answer = fun(Line, ok) -> peer_stdio:write_line(Stdio, answer(Line, Options)) end,
    peer_stdio:fold_lines(Stdio, Answer, ok).

answer(Line, #{print := Print, safe := Safe, describe := Describe}) ->
    [Encoded | Others] = [base64:decode(Word) || Word <- binary:split(Line, <<" ">>)],
    try
        {Term, Used} = binary_to_term(Encoded, [used | [safe || Safe]]),
        [
            <<"{\"ok\":true,\"used\":">>,
            integer_to_binary(Used),
            [[<<",\"printed\":">>, peer_json:encode(peer_json:text(Term))] || Print],
            [[<<",\"term\":">>, peer_describe:term(Term)] || Describe],
            [[<<",\"same\":">>, atom_to_binary(is_same(Term, Other))] || Other <- Others],
            <<",\"reencoded\":\"">>,
            base64:encode(term_to_binary(Term, [{minor_version, 2}])),
            <<"\"}">>
        ]
    catch
        error:Reason when is_atom(Reason) ->
            peer_json:encode(#{error => atom_to_binary(Reason)})
    end.

is_same(Term, Encoded) ->
    try
        binary_to_term(Encoded) =:= Term
    catch
        error:badarg -> false
    end.

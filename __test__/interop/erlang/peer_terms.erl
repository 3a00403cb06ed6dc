-module(peer_terms).

%% For differential tests: what Erlang makes of encoded terms. Reads a line of
%% base64 for each, writes a line of JSON for each, in the same order.

-export([main/1]).

-spec main([string()]) -> ok.
main(Arguments) ->
    #{print := Print, safe := Safe} =
        peer_options:parse(Arguments, #{print => {boolean, true}, safe => {boolean, false}}),
    Stdio = peer_stdio:open(),
    Answer = fun(Line, ok) -> peer_stdio:write_line(Stdio, answer(Line, Print, Safe)) end,
    peer_stdio:fold_lines(Stdio, Answer, ok).

answer(Line, Print, Safe) ->
    try
        {Term, Used} = binary_to_term(base64:decode(Line), [used | [safe || Safe]]),
        [
            <<"{\"ok\":true,\"used\":">>,
            integer_to_binary(Used),
            [[<<",\"printed\":">>, peer_json:encode(peer_json:text(Term))] || Print],
            <<",\"reencoded\":\"">>,
            base64:encode(term_to_binary(Term, [{minor_version, 2}])),
            <<"\"}">>
        ]
    catch
        error:Reason when is_atom(Reason) ->
            peer_json:encode(#{error => atom_to_binary(Reason)})
    end.

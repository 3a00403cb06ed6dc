-module(peer_stdio).

%% Lines in and out as bytes, straight over file descriptors 0 and 1. The io
%% protocol costs a message and a copy for every line; the tests send many.

-export([open/0, fold_lines/3, write_line/2, await_eof/1]).

-type stdio() :: port().
-export_type([stdio/0]).

-spec open() -> stdio().
open() ->
    open_port({fd, 0, 1}, [stream, binary, eof]).

%% Folds over the lines of stdin, without their LF, until it ends.
-spec fold_lines(stdio(), fun((binary(), Acc) -> Acc), Acc) -> Acc.
fold_lines(Stdio, Fun, Acc) ->
    fold_lines(Stdio, Fun, Acc, []).

%% Any process may write, and waits while the reader at the other end is slow.
-spec write_line(stdio(), iodata()) -> ok.
write_line(Stdio, Line) ->
    true = port_command(Stdio, [Line, $\n]),
    ok.

%% Discards what comes in until stdin ends.
-spec await_eof(stdio()) -> ok.
await_eof(Stdio) ->
    receive
        {Stdio, eof} -> ok;
        {Stdio, {data, _}} -> await_eof(Stdio)
    end.

%% Only new bytes are searched for a line end, so a long line costs no more than
%% its length.
fold_lines(Stdio, Fun, Acc, Pending) ->
    receive
        {Stdio, {data, Data}} ->
            [First | Rest] = binary:split(Data, <<"\n">>, [global]),
            {NewAcc, NewPending} = fold_parts([First | Pending], Rest, Fun, Acc),
            fold_lines(Stdio, Fun, NewAcc, NewPending);
        {Stdio, eof} ->
            case join(Pending) of
                <<>> -> Acc;
                Last -> Fun(Last, Acc)
            end
    end.

fold_parts(Pending, [], _, Acc) ->
    {Acc, Pending};
fold_parts(Pending, [Next | Rest], Fun, Acc) ->
    fold_parts([Next], Rest, Fun, Fun(join(Pending), Acc)).

join(Pending) ->
    iolist_to_binary(lists:reverse(Pending)).

-module(peer_stdio).

%% Reads and writes lines through file descriptors 0 and 1. The io protocol would send
%% and copy a message for each line, and the tests send many.

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

%% Any process may write. Waits while the reader is slow.
-spec write_line(stdio(), iodata()) -> ok.
write_line(Stdio, Line) ->
    true = port_command(Stdio, [Line, $\n]),
    ok.

%% Discards input until stdin ends.
-spec await_eof(stdio()) -> ok.
await_eof(Stdio) ->
    receive
        {Stdio, eof} -> ok;
        {Stdio, {data, _}} -> await_eof(Stdio)
    end.

%% Searches only new bytes for a line end, so that long lines take linear time.
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

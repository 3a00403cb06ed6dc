-module(peer_path).

%% Paths of calls: /backwater/1/<module>/<function>/<arity>.

-export([format/3, is_ours/1, parse/1, parse_arity/1]).

-define(BASE, "/backwater/1/").

-spec format(atom(), atom(), arity()) -> binary().
format(Module, Function, Arity) ->
    iolist_to_binary([
        ?BASE, escape(Module), $/, escape(Function), $/, integer_to_binary(Arity)
    ]).

-spec is_ours(binary()) -> boolean().
is_ours(<<?BASE, _/binary>>) -> true;
is_ours(_) -> false.

%% Names stay binaries, so that requests create no atoms.
-spec parse(binary()) -> {ok, {binary(), binary(), binary()}} | error.
parse(<<?BASE, Rest/binary>>) ->
    case [unescape(Segment) || Segment <- binary:split(Rest, <<"/">>, [global])] of
        [{ok, Module}, {ok, Function}, {ok, Arity}] -> {ok, {Module, Function, Arity}};
        _ -> error
    end.

-spec parse_arity(binary()) -> {ok, arity()} | error.
parse_arity(Text) ->
    try binary_to_integer(Text) of
        Arity when Arity >= 0, Arity =< 255 -> {ok, Arity};
        _ -> error
    catch
        error:badarg -> error
    end.

escape(Name) ->
    uri_string:quote(atom_to_binary(Name)).

unescape(Segment) ->
    case unescape_bytes(Segment, <<>>) of
        {ok, Bytes} when Bytes =/= <<>> ->
            case unicode:characters_to_binary(Bytes) of
                Bytes -> {ok, Bytes};
                _ -> error
            end;
        _ ->
            error
    end.

unescape_bytes(<<>>, Bytes) ->
    {ok, Bytes};
unescape_bytes(<<$%, Hex:2/binary, Rest/binary>>, Bytes) ->
    case re:run(Hex, "^[0-9A-Fa-f]{2}$", [{capture, none}, dollar_endonly]) of
        match -> unescape_bytes(Rest, <<Bytes/binary, (binary_to_integer(Hex, 16))>>);
        nomatch -> error
    end;
unescape_bytes(<<$%, _/binary>>, _) ->
    error;
unescape_bytes(<<Byte, Rest/binary>>, Bytes) ->
    unescape_bytes(Rest, <<Bytes/binary, Byte>>).

-module(peer_socket).

%% A connection of the server, over TCP or TLS.

-export([options/1, open/2, send/2, recv/3, setopts/2, shutdown/1, close/1]).

-define(HANDSHAKE_TIMEOUT, 30000).

%% Options for `ssl:handshake`, or `none` without a certificate. With an authority,
%% clients must present a certificate.
-spec options(map()) -> none | [ssl:tls_server_option()].
options(#{certfile := ""}) ->
    none;
options(#{certfile := Certificate, keyfile := Key, cacertfile := Authority}) ->
    {ok, _} = application:ensure_all_started(ssl),
    Mutual = [{cacertfile, Authority}, {verify, verify_peer}, {fail_if_no_peer_cert, true}],
    [{certfile, Certificate}, {keyfile, Key}] ++ [Option || Authority =/= "", Option <- Mutual].

open(Socket, none) ->
    {ok, {gen_tcp, Socket}};
open(Socket, Options) ->
    case ssl:handshake(Socket, Options, ?HANDSHAKE_TIMEOUT) of
        {ok, Secured} -> {ok, {ssl, Secured}};
        {error, _} = Error -> Error
    end.

send({Module, Socket}, Bytes) -> Module:send(Socket, Bytes).

recv({Module, Socket}, Length, Timeout) -> Module:recv(Socket, Length, Timeout).

setopts({gen_tcp, Socket}, Options) -> inet:setopts(Socket, Options);
setopts({ssl, Socket}, Options) -> ssl:setopts(Socket, Options).

shutdown({Module, Socket}) -> Module:shutdown(Socket, write).

close({Module, Socket}) -> Module:close(Socket).

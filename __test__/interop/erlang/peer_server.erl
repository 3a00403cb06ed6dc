-module(peer_server).

%% `peer.escript server`: HTTP/1.1 on a free port of loopback, until stdin ends.

-export([main/1]).

%% How many bytes and milliseconds to read before closing a connection, so that a reset
%% does not destroy the answer.
-define(LINGER_BYTES, 64 * 1024 * 1024).
-define(LINGER_TIMEOUT, 1000).

-spec main([string()]) -> ok.
main(Arguments) ->
    Parsed = peer_options:parse(Arguments, #{
        port => {integer, 0},
        compression_threshold => {integer, 300},
        max_encoded_args_size => {integer, 8 * 1024 * 1024},
        return_exception_stacktraces => {boolean, true},
        decode_unsafe_terms => {boolean, true},
        minor_version => {integer, 1},
        max_keepalive => {integer, 200},
        announce => {boolean, true},
        idle_timeout => {integer, 60000},
        recv_timeout => {integer, 60000},
        certfile => {text, ""},
        keyfile => {text, ""},
        cacertfile => {text, ""}
    }),
    Options = Parsed#{
        secret => peer_options:secret(),
        exposed => peer_exposed:table(),
        tls => peer_socket:options(Parsed)
    },
    {ok, _} = application:ensure_all_started(crypto),
    {ok, Listener} = gen_tcp:listen(map_get(port, Options), [
        binary,
        {ip, {127, 0, 0, 1}},
        {active, false},
        {reuseaddr, true},
        {nodelay, true},
        {backlog, 1024},
        {buffer, 65536}
    ]),
    {ok, Port} = inet:port(Listener),
    Stdio = peer_stdio:open(),
    spawn_link(fun() -> accept(Listener, Options, 1) end),
    peer_stdio:write_line(Stdio, peer_json:encode(#{port => Port})),
    peer_stdio:await_eof(Stdio).

accept(Listener, Options, Connection) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Pid = spawn(fun() -> receive go -> open(Socket, Options, Connection) end end),
    %% The client may have gone already, which the process will notice.
    _ = gen_tcp:controlling_process(Socket, Pid),
    Pid ! go,
    accept(Listener, Options, Connection + 1).

open(Socket, #{tls := Tls} = Options, Connection) ->
    case peer_socket:open(Socket, Tls) of
        {ok, Opened} -> serve(Opened, Options, Connection, 1);
        %% An alert tells the client.
        {error, _} -> ok
    end.

serve(Socket, #{idle_timeout := IdleTimeout} = Options, Connection, Sequence) ->
    case read_head(Socket, IdleTimeout, Options) of
        {ok, Head} ->
            try
                exchange(Socket, Head#{connection => Connection, sequence => Sequence}, Options)
            of
                keep_alive -> serve(Socket, Options, Connection, Sequence + 1);
                close -> peer_socket:close(Socket)
            catch
                throw:{closed, _} -> peer_socket:close(Socket)
            end;
        {refuse, Status} ->
            send(Socket, {Status, #{<<"content-length">> => <<"0">>, <<"connection">> => <<"close">>}, <<>>}),
            linger(Socket);
        {error, _} ->
            peer_socket:close(Socket)
    end.

%% Answers a request.
exchange(Socket, #{length := Length, wants_close := WantsClose, sequence := Sequence} = Head, Options) ->
    #{max_keepalive := Max, announce := Announce, recv_timeout := Timeout} = Options,
    ReadBody = fun(Size) -> read_body(Socket, Head, Size, Timeout) end,
    {Status, Headers, Body} = peer_handler:answer(Head#{read_body => ReadBody}, Options),
    IsLast = WantsClose orelse Sequence >= Max,
    Announced = [{<<"connection">>, <<"close">>} || WantsClose orelse (IsLast andalso Announce)],
    Complete = maps:merge(maps:from_list(Announced), Headers),
    send(Socket, {Status, Complete, Body}),
    if
        IsLast; is_map_key(<<"connection">>, Complete) ->
            linger(Socket),
            close;
        Status =:= 200 ->
            keep_alive;
        true ->
            %% The only refusal that keeps the connection open comes before the body is read.
            _ = read_body(Socket, Head, Length, Timeout),
            keep_alive
    end.

read_head(Socket, IdleTimeout, Options) ->
    _ = peer_socket:setopts(Socket, [{packet, http_bin}]),
    case peer_socket:recv(Socket, 0, IdleTimeout) of
        {ok, {http_request, Method, {abs_path, Target}, Version}} ->
            read_fields(Socket, Options, [], #{
                method => to_binary(Method),
                target => Target,
                version => Version
            });
        {ok, {http_error, Line}} when Line =:= <<"\r\n">>; Line =:= <<"\n">> ->
            %% RFC 9112, 2.2: ignore an empty line before a request.
            read_head(Socket, IdleTimeout, Options);
        {ok, _} ->
            {refuse, 400};
        {error, _} = Error ->
            Error
    end.

read_fields(Socket, #{recv_timeout := Timeout} = Options, Fields, Head) ->
    case peer_socket:recv(Socket, 0, Timeout) of
        {ok, {http_header, _, _, Name, Value}} ->
            read_fields(Socket, Options, [{Name, Value} | Fields], Head);
        {ok, http_eoh} ->
            framed(Head#{headers => peer_headers:from_list(lists:reverse(Fields))});
        {ok, {http_error, _}} ->
            {refuse, 400};
        {error, _} = Error ->
            Error
    end.

%% How long the body is, and whether the client closes after the answer. The protocol
%% needs no chunked bodies, because all clients send a content-length.
framed(#{headers := {error, _}} = Head) ->
    {ok, Head#{length => 0, wants_close => true}};
framed(#{headers := {ok, Headers}, version := Version} = Head) ->
    Length = maps:get(<<"content-length">>, Headers, <<"0">>),
    IsLength = re:run(Length, "^[0-9]{1,15}$", [{capture, none}, dollar_endonly]) =:= match,
    Connection = string:lowercase(maps:get(<<"connection">>, Headers, <<>>)),
    if
        is_map_key(<<"transfer-encoding">>, Headers) -> {refuse, 411};
        not IsLength -> {refuse, 400};
        true ->
            {ok, Head#{
                length => binary_to_integer(Length),
                wants_close => Version =/= {1, 1} orelse Connection =:= <<"close">>
            }}
    end.

read_body(_, _, 0, _) ->
    <<>>;
read_body(Socket, #{headers := {ok, Headers}}, Size, Timeout) ->
    [
        peer_socket:send(Socket, <<"HTTP/1.1 100 Continue\r\n\r\n">>)
     || maps:get(<<"expect">>, Headers, none) =:= <<"100-continue">>
    ],
    _ = peer_socket:setopts(Socket, [{packet, raw}]),
    case peer_socket:recv(Socket, Size, Timeout) of
        {ok, Body} -> Body;
        {error, Reason} -> throw({closed, Reason})
    end.

send(Socket, {Status, Headers, Body}) ->
    Date = list_to_binary(httpd_util:rfc1123_date()),
    Unsigned = #{<<"server">> => <<"peer">>, <<"date">> => Date},
    All = maps:to_list(maps:merge(Headers, Unsigned)),
    Line = io_lib:format("HTTP/1.1 ~b ~s\r\n", [Status, httpd_util:reason_phrase(Status)]),
    Fields = [[Name, <<": ">>, Value, <<"\r\n">>] || {Name, Value} <- All],
    %% The next read detects a client that has gone.
    _ = peer_socket:send(Socket, [Line, Fields, <<"\r\n">>, Body]),
    ok.

%% Reads what the client is still sending before closing, because unread bytes would
%% reset the connection, and the reset may overtake the answer.
linger(Socket) ->
    _ = peer_socket:shutdown(Socket),
    _ = peer_socket:setopts(Socket, [{packet, raw}]),
    discard(Socket, ?LINGER_BYTES),
    peer_socket:close(Socket).

discard(Socket, Left) when Left > 0 ->
    case peer_socket:recv(Socket, 0, ?LINGER_TIMEOUT) of
        {ok, Bytes} -> discard(Socket, Left - byte_size(Bytes));
        {error, _} -> ok
    end;
discard(_, _) ->
    ok.

to_binary(Method) when is_atom(Method) -> atom_to_binary(Method);
to_binary(Method) -> Method.

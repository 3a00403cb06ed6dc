-module(peer_connection).

%% Named connections that behave like hackney, the HTTP client of Erlang's backwater:
%% opened in advance, with Nagle's algorithm, and with head and body written
%% separately.

-export([start/0, open/3, request/4]).

-define(TIMEOUT, 60000).

-type name() :: atom().
-type response() :: {pos_integer(), [{binary(), binary()}], binary()}.

-spec start() -> ok.
start() ->
    ?MODULE = ets:new(?MODULE, [named_table, public]),
    ok.

%% Opens a connection in advance. Options: `ssl` for Erlang's ssl application, and
%% `handshake`: whether to set up TLS now or with the first request.
-spec open(name(), string(), map()) -> ok | {error, term()}.
open(Name, Url, Options) ->
    Self = self(),
    Pid = spawn(fun() -> own(Self, uri_string:parse(Url), Options) end),
    true = ets:insert(?MODULE, {Name, Pid}),
    receive
        {Pid, Opened} -> Opened
    end.

%% Sends a request, and returns the response and its duration in microseconds. Opens
%% the connection if necessary.
-spec request(name(), string(), map(), map()) -> {ok, response(), non_neg_integer()} | {error, term()}.
request(Name, Url, Request, Options) ->
    case ets:lookup(?MODULE, Name) of
        [] ->
            case open(Name, Url, Options) of
                ok -> request(Name, Url, Request, Options);
                {error, _} = Error -> Error
            end;
        [{Name, Pid}] ->
            Monitor = monitor(process, Pid),
            Pid ! {request, self(), Request, Options},
            receive
                {Pid, Result} ->
                    demonitor(Monitor, [flush]),
                    Result;
                {'DOWN', Monitor, process, Pid, Reason} ->
                    {error, Reason}
            end
    end.

%% Owns the socket and ends with it.
own(Owner, #{host := Host, port := Port, scheme := Scheme}, Options) ->
    TcpOptions = [binary, {active, false}, {nodelay, false}],
    case gen_tcp:connect(Host, Port, TcpOptions, ?TIMEOUT) of
        {ok, Tcp} ->
            Secure = fun() -> secure(Scheme, Tcp, Host, Options) end,
            case maps:get(handshake, Options, true) of
                true ->
                    Opened = Secure(),
                    Owner ! {self(), result(Opened)},
                    serve(fun() -> Opened end);
                false ->
                    Owner ! {self(), ok},
                    serve(Secure)
            end;
        {error, _} = Error ->
            Owner ! {self(), Error}
    end.

result({ok, _}) -> ok;
result(Error) -> Error.

secure("http", Tcp, _, _) ->
    {ok, {gen_tcp, Tcp}};
secure("https", Tcp, Host, #{ssl := Ssl}) ->
    case ssl:connect(Tcp, [{server_name_indication, Host} | Ssl], ?TIMEOUT) of
        {ok, Secured} -> {ok, {ssl, Secured}};
        {error, _} = Error -> Error
    end.

serve(Opened) ->
    receive
        {request, From, Request, Options} ->
            Began = erlang:monotonic_time(microsecond),
            case exchange(Opened(), Request, Options) of
                {ok, Socket, Response} ->
                    Elapsed = erlang:monotonic_time(microsecond) - Began,
                    From ! {self(), {ok, Response, Elapsed}},
                    serve(fun() -> {ok, Socket} end);
                {error, _} = Error ->
                    From ! {self(), Error}
            end
    end.

exchange({error, _} = Error, _, _) ->
    Error;
exchange({ok, Socket}, #{method := Method, path := Path, headers := Headers, body := Body}, Options) ->
    Fields = [[Name, <<": ">>, Value, <<"\r\n">>] || {Name, Value} <- maps:to_list(Headers)],
    Verb = string:uppercase(atom_to_binary(Method)),
    Head = [Verb, $\s, Path, <<" HTTP/1.1\r\nhost: peer\r\n">>, Fields, <<"\r\n">>],
    Pause = maps:get(pause, Options, 0),
    try
        ok(peer_socket:send(Socket, Head)),
        [paused(Pause, peer_socket:send(Socket, Piece)) || Piece <- pieces(Body, Options)],
        {ok, Socket, read(Socket)}
    catch
        throw:{?MODULE, Reason} ->
            peer_socket:close(Socket),
            {error, Reason}
    end.

%% The whole body, or parts of it.
pieces(Body, #{piece := Size} = Options) when byte_size(Body) > Size ->
    <<Piece:Size/binary, Rest/binary>> = Body,
    [Piece | pieces(Rest, Options)];
pieces(Body, _) ->
    [Body].

paused(Milliseconds, Result) ->
    timer:sleep(Milliseconds),
    ok(Result).

read(Socket) ->
    ok(peer_socket:setopts(Socket, [{packet, http_bin}])),
    {http_response, _, Status, _} = value(peer_socket:recv(Socket, 0, ?TIMEOUT)),
    Headers = read_fields(Socket),
    ok(peer_socket:setopts(Socket, [{packet, raw}])),
    case binary_to_integer(proplists:get_value(<<"content-length">>, Headers, <<"0">>)) of
        0 -> {Status, Headers, <<>>};
        Length -> {Status, Headers, value(peer_socket:recv(Socket, Length, ?TIMEOUT))}
    end.

read_fields(Socket) ->
    case value(peer_socket:recv(Socket, 0, ?TIMEOUT)) of
        {http_header, _, _, Name, Value} ->
            [{string:lowercase(Name), Value} | read_fields(Socket)];
        http_eoh ->
            []
    end.

ok(ok) -> ok;
ok({error, Reason}) -> throw({?MODULE, Reason}).

value({ok, Value}) -> Value;
value({error, Reason}) -> throw({?MODULE, Reason}).

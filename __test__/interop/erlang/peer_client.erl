-module(peer_client).

%% `peer.escript client`: reads a call from each line of stdin, and writes a line of
%% JSON for each result.
%%
%% A line is an Erlang expression for `{call, Url, Module, Function, Arguments, Options}`.
%% Options are a list or a map. Calls with an option `id` run concurrently, and their
%% results carry it; others run one after the other. `{open, Url, Options}` opens the
%% connection that the option `connection` names.

-export([main/1]).

-spec main([string()]) -> ok.
main(Arguments) ->
    #{max_sessions := MaxSessions} =
        peer_options:parse(Arguments, #{max_sessions => {integer, 8}}),
    Secret = peer_options:secret(),
    {ok, _} = application:ensure_all_started(inets),
    {ok, _} = application:ensure_all_started(ssl),
    {ok, _} = application:ensure_all_started(crypto),
    ok = peer_connection:start(),
    ok = httpc:set_options([
        {max_sessions, MaxSessions},
        {max_keep_alive_length, 1},
        {keep_alive_timeout, 60000}
    ]),
    Stdio = peer_stdio:open(),
    Perform = fun(Line, ok) -> perform(Stdio, Line, Secret) end,
    peer_stdio:fold_lines(Stdio, Perform, ok).

perform(Stdio, Line, Secret) ->
    try evaluate(Line) of
        {call, Url, Module, Function, Arguments, Given} ->
            report(Stdio, maps:merge(defaults(Secret), to_map(Given)), fun(Options) ->
                call(Url, Module, Function, Arguments, Options)
            end);
        {open, Url, Given} ->
            report(Stdio, maps:merge(defaults(Secret), to_map(Given)), fun(Options) ->
                open(Url, Options)
            end);
        Other ->
            peer_stdio:write_line(Stdio, failed_command({not_a_call, Other}))
    catch
        _:Reason ->
            peer_stdio:write_line(Stdio, failed_command(Reason))
    end.

report(Stdio, Options, Do) ->
    Report = fun() -> peer_stdio:write_line(Stdio, Do(Options)) end,
    case Options of
        #{id := null} -> Report();
        #{} -> spawn(Report), ok
    end.

to_map(Options) when is_map(Options) -> Options;
to_map(Options) when is_list(Options) -> maps:from_list(Options).

failed_command(Reason) ->
    peer_json:encode(#{invalid => peer_json:text(Reason)}).

evaluate(Line) ->
    Text = string:trim(unicode:characters_to_list(Line), trailing, ". \t\r"),
    {ok, Tokens, _} = erl_scan:string(Text ++ "."),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Expressions, erl_eval:new_bindings()),
    Value.

defaults(Secret) ->
    #{
        secret => Secret,
        id => null,
        gzip => true,
        compression_threshold => 300,
        max_encoded_result_size => 8 * 1024 * 1024,
        decode_unsafe_terms => true,
        minor_version => 1,
        ssl => [],
        %% Longer than the library's defaults, because machines may be slow.
        connect_timeout => 60000,
        recv_timeout => 60000
    }.

call(Url, Module, Function, Arguments, Options) ->
    answer(Options, fun() ->
        #{request_id := RequestId} = Request =
            peer_request:build(Module, Function, Arguments, Options),
        case send(Url, Request, Options) of
            {ok, Response} -> outcome(Response, RequestId, Options);
            {ok, Response, Elapsed} -> (outcome(Response, RequestId, Options))#{elapsed => Elapsed};
            {error, Reason} -> failure({transport, Reason})
        end
    end).

open(Url, #{connection := Name} = Options) ->
    answer(Options, fun() ->
        case peer_connection:open(Name, Url, Options) of
            ok -> #{ok => <<"open">>};
            {error, Reason} -> failure({transport, Reason})
        end
    end).

answer(#{id := Id}, Do) ->
    Outcome =
        try
            Do()
        catch
            _:Raised:Stack -> #{invalid => peer_json:text({Raised, Stack})}
        end,
    peer_json:encode(maps:merge(Outcome, maps:from_list([{id, Id} || Id =/= null]))).

outcome({Status, Headers, Body}, RequestId, Options) ->
    Shown =
        case peer_response:read(Status, Headers, Body, RequestId, Options) of
            {ok, Value} -> value(Value);
            {exception, Class, Reason, Stack} -> exception(Class, Reason, Stack);
            {failure, Reason} -> (failure(Reason))#{body => printable(Body)}
        end,
    Shown#{
        status => Status,
        headers => maps:from_list(Headers),
        packed => lists:member({<<"content-encoding">>, <<"gzip">>}, Headers)
    }.

send(Url, Request, #{connection := Name} = Options) ->
    peer_connection:request(Name, Url, Request, Options);
send(Url, #{method := Method, path := Path, headers := Sent, body := Body}, Options) ->
    #{connect_timeout := ConnectTimeout, recv_timeout := RecvTimeout, ssl := Ssl} = Options,
    Target = unicode:characters_to_list([string:trim(Url, trailing, "/"), Path]),
    %% httpc adds content-length itself.
    Fields = [
        {binary_to_list(Name), binary_to_list(Value)}
     || {Name, Value} <- maps:to_list(maps:remove(<<"content-length">>, Sent))
    ],
    Request =
        case lists:member(Method, [post, put, patch]) of
            true ->
                {value, {_, ContentType}, Others} = lists:keytake("content-type", 1, Fields),
                {Target, Others, ContentType, Body};
            false ->
                {Target, Fields}
        end,
    HttpOptions = [
        {connect_timeout, ConnectTimeout},
        {timeout, RecvTimeout},
        {autoredirect, false}
        | [{ssl, Ssl} || Ssl =/= []]
    ],
    case httpc:request(Method, Request, HttpOptions, [{body_format, binary}]) of
        {ok, {{_, Status, _}, Received, ReceivedBody}} ->
            Headers = [{list_to_binary(Name), list_to_binary(Value)} || {Name, Value} <- Received],
            {ok, {Status, Headers, ReceivedBody}};
        {error, _} = Error ->
            Error
    end.

value(Value) ->
    #{ok => peer_json:text(Value), etf => to_base64(Value)}.

exception(Class, Reason, Stack) ->
    #{
        exception => peer_json:text({Class, Reason, Stack}),
        class => atom_to_binary(Class),
        reason => peer_json:text(Reason),
        reason_etf => to_base64(Reason),
        stack => peer_json:text(Stack),
        stack_etf => to_base64(Stack)
    }.

%% `failure` is the whole reason, and the second key its kind, except for a remote
%% failure, which has status and body.
failure(Reason) ->
    Sort =
        case Reason of
            {remote, _} -> #{};
            {response_authentication, Why} -> #{unauthenticated => peer_json:text(Why)};
            _ -> #{error => peer_json:text(Reason)}
        end,
    Sort#{failure => peer_json:text(Reason)}.

to_base64(Term) ->
    base64:encode(term_to_binary(Term, [{minor_version, 2}])).

printable(Body) ->
    case unicode:characters_to_binary(Body) of
        Body -> Body;
        _ -> peer_json:text(Body)
    end.

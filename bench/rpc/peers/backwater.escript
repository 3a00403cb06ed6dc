#!/usr/bin/env escript
%% Erlang's backwater as a server: prints {"port":N}, ends with its standard input.
-mode(compile).

main(_) ->
    logger:set_primary_config(level, error),
    {ok, _} = application:ensure_all_started(backwater),
    load_echo(),
    Secret = list_to_binary(os:getenv("BACKWATER_SECRET")),
    Options = #{
        transport => #{socket_opts => [{ip, {127, 0, 0, 1}}, {port, 0}], max_connections => infinity},
        http => #{max_keepalive => 1000000000, idle_timeout => infinity},
        backwater => #{compression_threshold => 1 bsl 40}
    },
    {ok, _} = backwater:start_clear_server(bench, Secret, [{peer, [{exports, all}]}], Options),
    io:format("{\"port\":~b}~n", [ranch:get_port({backwater, bench})]),
    io:get_line("").

load_echo() ->
    Lines = ["-module(peer).", "-export([echo/1]).", "echo(X) -> X."],
    Forms = [
        begin
            {ok, Tokens, _} = erl_scan:string(Line),
            {ok, Form} = erl_parse:parse_form(Tokens),
            Form
        end
     || Line <- Lines
    ],
    {ok, Module, Binary} = compile:forms(Forms),
    %% OTP has a module of that name.
    code:unstick_mod(Module),
    {module, Module} = code:load_binary(Module, "peer.erl", Binary).

#!/usr/bin/env escript
%%! -noinput +sbwt none +pc unicode +t 4194304

%% The peer of the interoperability tests: see README.md beside this file.
%%
%% The flags above have to stand on the second line. -noinput leaves stdin to
%% peer_stdio; +sbwt none keeps idle schedulers from spinning on a machine that
%% runs other tests; +t makes room for the atoms that damaged terms bring along.

-mode(compile).

main([Command | Arguments]) ->
    log_to_stderr(),
    load_modules(filename:join(filename:dirname(escript:script_name()), "erlang")),
    try run(Command, Arguments) of
        _ -> halt(0)
    catch
        throw:{usage, Message} -> fail(2, Message);
        Class:Reason:Stack -> fail(1, io_lib:format("~tp:~tp~n~tp", [Class, Reason, Stack]))
    end;
main([]) ->
    usage("a command is missing").

run("server", Arguments) -> peer_server:main(Arguments);
run("client", Arguments) -> peer_client:main(Arguments);
run("terms", Arguments) -> peer_terms:main(Arguments);
run(Command, _) -> usage(["unknown command ", Command]).

usage(Message) ->
    fail(2, [Message, "; expected: server, client or terms"]).

fail(Status, Message) ->
    io:format(standard_error, "peer: ~ts~n", [Message]),
    halt(Status).

%% The default handler writes to stdout, which belongs to the answers.
log_to_stderr() ->
    ok = logger:remove_handler(default),
    ok = logger:add_handler(default, logger_std_h, #{config => #{type => standard_error}}).

%% Compiles and loads every module, one process each: the sources are the only
%% thing there is, so nothing can be out of date.
load_modules(Directory) ->
    Sources = filelib:wildcard(filename:join(Directory, "*.erl")),
    Compilations = [spawn_monitor(fun() -> exit(compile(Source)) end) || Source <- Sources],
    [await(Compilation) || Compilation <- Compilations],
    ok.

compile(Source) ->
    Options = [binary, report, warnings_as_errors, warn_unused_vars],
    case compile:file(filename:rootname(Source), Options) of
        {ok, Module, Code} -> code:load_binary(Module, Source, Code);
        error -> error
    end.

await({Pid, Monitor}) ->
    receive
        {'DOWN', Monitor, process, Pid, {module, _}} -> ok;
        {'DOWN', Monitor, process, Pid, _} -> halt(3)
    end.

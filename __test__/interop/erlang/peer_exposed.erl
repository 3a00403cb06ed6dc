-module(peer_exposed).

%% The exposed functions.

-export([table/0, find/4]).

-type table() :: #{Module :: binary() => missing | {module(), #{{binary(), arity()} => atom()}}}.
-export_type([table/0]).

%% `string` lacks to_lower/1, as a function that exists but is not exposed. One exposed
%% module does not exist.
-spec table() -> table().
table() ->
    Own = #{
        <<"erlang">> => exports(erlang, erlang:module_info(exports)),
        <<"string">> => exports(string, [{copies, 2}, {to_upper, 1}]),
        <<"lists">> => exports(lists, [{reverse, 1}, {sum, 1}, {sort, 1}, {seq, 2}, {max, 1}]),
        <<"peer">> => exports(peer_functions, peer_functions:module_info(exports)),
        <<"non_existing_module">> => missing
    },
    maps:merge(Own, maps:from_list([
        {Name, exports(Module, Module:module_info(exports))}
     || {Name, Module} <- application:get_env(peer, exposed, [])
    ])).

-spec find(binary(), binary(), arity(), table()) ->
    {ok, {module(), atom()}} | {error, not_exposed | module_not_found | function_not_found}.
find(ModuleName, FunctionName, Arity, Table) ->
    case Table of
        #{ModuleName := missing} ->
            {error, module_not_found};
        #{ModuleName := {Module, #{{FunctionName, Arity} := Function}}} ->
            {ok, {Module, Function}};
        #{ModuleName := _} ->
            {error, function_not_found};
        #{} ->
            {error, not_exposed}
    end.

exports(Module, Functions) ->
    Exposed = Functions -- [
        {module_info, 0},
        {module_info, 1},
        {behaviour_info, 1},
        {'__info__', 1},
        {backwater_export, 0}
    ],
    {Module, maps:from_list([{{atom_to_binary(Name), Arity}, Name} || {Name, Arity} <- Exposed])}.

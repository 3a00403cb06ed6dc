-module(peer_options).

%% Command-line options `--name value`, each with a type and a default.

-export([parse/2, secret/0]).

-type type() :: integer | boolean | text.
-type spec() :: #{atom() => {type(), term()}}.

%% Throws {usage, Message}.
-spec parse([string()], spec()) -> #{atom() => term()}.
parse(Arguments, Spec) ->
    parse(Arguments, Spec, maps:map(fun(_, {_, Default}) -> Default end, Spec)).

%% The shared secret, from the environment so that process lists do not show it:
%% BACKWATER_SECRET is text, BACKWATER_SECRET_BASE64 any bytes.
-spec secret() -> binary().
secret() ->
    case {os:getenv("BACKWATER_SECRET_BASE64"), os:getenv("BACKWATER_SECRET")} of
        {[_ | _] = Base64, _} ->
            base64:decode(Base64);
        {_, [_ | _] = Text} ->
            unicode:characters_to_binary(Text, unicode, file:native_name_encoding());
        {_, _} ->
            throw({usage, "BACKWATER_SECRET or BACKWATER_SECRET_BASE64 must be set and not empty"})
    end.

parse([], _, Options) ->
    Options;
parse(["--" ++ Dashed, Text | Rest], Spec, Options) ->
    case [{Name, Type} || {Name, {Type, _}} <- maps:to_list(Spec), dashed(Name) =:= Dashed] of
        [{Name, Type}] -> parse(Rest, Spec, Options#{Name := value(Type, Dashed, Text)});
        [] -> throw({usage, ["unknown option --", Dashed]})
    end;
parse([Argument | _], _, _) ->
    throw({usage, ["expected --name value, got ", Argument]}).

dashed(Name) ->
    lists:append(lists:join("-", string:split(atom_to_list(Name), "_", all))).

value(text, _, Text) ->
    Text;
value(boolean, _, "true") ->
    true;
value(boolean, _, "false") ->
    false;
value(integer, _, "infinity") ->
    infinity;
value(Type, Name, Text) ->
    case Type =:= integer andalso string:to_integer(Text) of
        {Integer, ""} when is_integer(Integer), Integer >= 0 -> Integer;
        _ -> throw({usage, io_lib:format("--~s must be ~s, not ~ts", [Name, Type, Text])})
    end.

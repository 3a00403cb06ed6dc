-module(peer_headers).

%% Header fields, and the values that the protocol uses.

-export([from_list/1, get/2, media_type/1, accepts/2, preferred_coding/1, trim/1]).

-type headers() :: #{Name :: binary() => Value :: binary()}.
-export_type([headers/0]).

%% Names are in lower case, values trimmed. Repeated headers are an error if the protocol
%% uses them, and are joined otherwise (RFC 9110, 5.3).
-spec from_list([{binary(), binary()}]) -> {ok, headers()} | {error, {duplicate_header, binary()}}.
from_list(Fields) ->
    from_list(Fields, #{}).

-spec get(binary(), headers()) -> binary() | undefined.
get(Name, Headers) ->
    maps:get(Name, Headers, undefined).

%% The type without its parameters, in lower case.
-spec media_type(binary() | undefined) -> {ok, binary()} | error.
media_type(undefined) ->
    error;
media_type(Value) ->
    [Type | _] = binary:split(Value, <<";">>),
    Token = "[!#$%&'*+.^_`|~0-9a-z-]+",
    Lower = lower(trim(Type)),
    case re:run(Lower, ["^", Token, "/", Token, "$"], [{capture, none}, dollar_endonly]) of
        match -> {ok, Lower};
        nomatch -> error
    end.

%% Whether an accept header names the type with a quality above 0.
-spec accepts(binary(), binary() | undefined) -> boolean().
accepts(_, undefined) ->
    false;
accepts(Type, Value) ->
    lists:any(fun({Name, Quality}) -> Name =:= Type andalso Quality > 0 end, weighted(Value)).

%% The known coding that an accept-encoding header prefers.
-spec preferred_coding(binary() | undefined) -> gzip | identity.
preferred_coding(undefined) ->
    identity;
preferred_coding(Value) ->
    Weighted = weighted(Value),
    Gzip = proplists:get_value(<<"gzip">>, Weighted, 0),
    Identity = proplists:get_value(<<"identity">>, Weighted, 0),
    if
        Gzip > 0, Gzip >= Identity -> gzip;
        true -> identity
    end.

%% Removes surrounding spaces and tabs.
-spec trim(binary()) -> binary().
trim(Value) ->
    string:trim(Value, both, " \t").

from_list([], Headers) ->
    {ok, Headers};
from_list([{RawName, RawValue} | Rest], Headers) ->
    Name = lower(RawName),
    Value = trim(RawValue),
    case Headers of
        #{Name := First} ->
            case may_repeat(Name) of
                true -> from_list(Rest, Headers#{Name := <<First/binary, ", ", Value/binary>>});
                false -> {error, {duplicate_header, Name}}
            end;
        #{} ->
            from_list(Rest, Headers#{Name => Value})
    end.

may_repeat(<<"content-", _/binary>>) ->
    false;
may_repeat(Name) ->
    Single = [<<"authorization">>, <<"digest">>, <<"accept">>, <<"x-request-id">>, <<"signature">>],
    not lists:member(Name, Single).

%% The members of a list header in lower case, each with its quality in thousandths
%% (RFC 9110, 12.4.2); 0 if malformed.
weighted(Value) ->
    [weigh(binary:split(Member, <<";">>, [global])) || Member <- binary:split(Value, <<",">>, [global])].

weigh([Name | Parameters]) ->
    Qualities = [quality(Q) || Parameter <- Parameters, <<"q=", Q/binary>> <- [lower(trim(Parameter))]],
    {lower(trim(Name)), lists:last([1000 | Qualities])}.

quality(Text) ->
    Options = [{capture, all_but_first, list}, dollar_endonly],
    case re:run(Text, "^([01])(?:\\.([0-9]{0,3}))?$", Options) of
        {match, [Whole | Decimals]} ->
            Digits = lists:append(Decimals),
            min(1000, list_to_integer(Whole ++ Digits ++ lists:duplicate(3 - length(Digits), $0)));
        nomatch ->
            0
    end.

lower(Text) ->
    <<<<(lower_byte(Byte))>> || <<Byte>> <= Text>>.

lower_byte(Byte) when Byte >= $A, Byte =< $Z -> Byte + 32;
lower_byte(Byte) -> Byte.

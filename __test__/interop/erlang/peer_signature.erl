-module(peer_signature).

%% Signs and verifies header fields.

-export([sign/4, verify/4, demanded/2]).

-type kind() :: request | response.
-type reason() ::
    invalid_header_params
    | unknown_key
    | unknown_algorithm
    | missing_signed_header_list
    | invalid_signature
    | {missing_mandatory_header | missing_mandatorily_signed_header | missing_header, binary()}.
-export_type([kind/0, reason/0]).

%% Signature parameters over the named fields and the pseudo header, whose value is the
%% request's method and target or the response's status.
-spec sign(kind(), binary(), peer_headers:headers(), binary()) -> binary().
sign(Kind, PseudoValue, Headers, Secret) ->
    Fields = Headers#{pseudo(Kind) => PseudoValue},
    Names = lists:sort(maps:keys(Fields)),
    Signature = mac(Names, Fields, Secret),
    iolist_to_binary([
        <<"algorithm=\"hmac-sha256\",headers=\"">>,
        lists:join($\s, Names),
        <<"\",keyId=\"default\",signature=\"">>,
        base64:encode(Signature),
        $"
    ]).

%% Verifies signature parameters. Returns the signed names; ignore all other fields.
-spec verify(binary(), {kind(), binary()}, peer_headers:headers(), binary()) ->
    {ok, [binary()]} | {error, reason()}.
verify(Text, {Kind, PseudoValue}, Headers, Secret) ->
    try
        Parameters = parameters(Text),
        require(maps:get(<<"keyId">>, Parameters, none) =:= <<"default">>, unknown_key),
        require(maps:get(<<"algorithm">>, Parameters, none) =:= <<"hmac-sha256">>, unknown_algorithm),
        require(is_map_key(<<"headers">>, Parameters), missing_signed_header_list),
        Names = binary:split(map_get(<<"headers">>, Parameters), <<" ">>, [global, trim_all]),
        Fields = Headers#{pseudo(Kind) => PseudoValue},
        [require(lists:member(Name, Names), {missing_mandatory_header, Name}) || Name <- mandatory(Kind)],
        [
            require(lists:member(Name, Names), {missing_mandatorily_signed_header, Name})
         || Name <- mandatory_if_present(Kind), is_map_key(Name, Headers)
        ],
        [require(is_map_key(Name, Fields), {missing_header, Name}) || Name <- Names],
        Signature = decode_base64(maps:get(<<"signature">>, Parameters, <<>>)),
        Expected = mac(Names, Fields, Secret),
        %% hash_equals takes constant time, and raises if the sizes differ, which are not secret.
        require(byte_size(Signature) =:= byte_size(Expected), invalid_signature),
        require(crypto:hash_equals(Signature, Expected), invalid_signature),
        {ok, Names}
    catch
        throw:{?MODULE, Reason} -> {error, Reason}
    end.

%% Sorted names of the headers in the message that a refusal asks the client to sign.
-spec demanded(kind(), peer_headers:headers()) -> [binary()].
demanded(Kind, Headers) ->
    [_ | Mandatory] = mandatory(Kind),
    Names = Mandatory ++ mandatory_if_present(Kind),
    [pseudo(Kind) | lists:sort([Name || Name <- Names, is_map_key(Name, Headers)])].

pseudo(request) -> <<"(request-target)">>;
pseudo(response) -> <<"(response-status)">>.

mandatory(Kind) ->
    [pseudo(Kind), <<"digest">>, <<"x-request-id">>].

mandatory_if_present(request) ->
    [<<"accept">> | mandatory_if_present(response)];
mandatory_if_present(response) ->
    [<<"content-type">>, <<"content-encoding">>, <<"content-length">>].

mac(Names, Fields, Secret) ->
    Lines = [[Name, <<": ">>, peer_headers:trim(map_get(Name, Fields))] || Name <- Names],
    crypto:mac(hmac, sha256, Secret, lists:join($\n, Lines)).

%% `name="value"`, separated by commas; the last duplicate wins.
parameters(Text) ->
    Parameter = <<"^[ \\t]*([A-Za-z0-9_-]+)=\"([^\"\\\\]*)\"[ \\t]*(?:,(?=.)|$)">>,
    parameters(Text, Parameter, #{}).

parameters(Text, Parameter, Found) ->
    Options = [{capture, all, binary}, dollar_endonly, dotall],
    case re:run(Text, Parameter, Options) of
        {match, [All, Name, Value]} ->
            NewFound = Found#{Name => Value},
            case binary:part(Text, byte_size(All), byte_size(Text) - byte_size(All)) of
                <<>> -> NewFound;
                Rest -> parameters(Rest, Parameter, NewFound)
            end;
        nomatch ->
            throw({?MODULE, invalid_header_params})
    end.

decode_base64(Text) ->
    try
        Bytes = base64:decode(Text),
        %% base64:decode/1 skips invalid characters.
        require(base64:encode(Bytes) =:= Text, invalid_signature),
        Bytes
    catch
        error:_ -> throw({?MODULE, invalid_signature})
    end.

require(true, _) -> ok;
require(false, Reason) -> throw({?MODULE, Reason}).

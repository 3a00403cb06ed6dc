-module(peer_response).

%% A client's checks of a response, in the protocol's order. Ignores everything unsigned.

-export([read/5]).

-type result() ::
    {ok, term()}
    | {exception, error | exit | throw, term(), list()}
    | {failure,
        {response_authentication, peer_signature:reason() | atom() | {duplicate_header, binary()}}
        | {remote, pos_integer()}
        | invalid_content_type
        | invalid_content_encoding
        | invalid_body}.
-export_type([result/0]).

-spec read(pos_integer(), [{binary(), binary()}], binary(), binary(), map()) -> result().
read(Status, Fields, Body, RequestId, Options) ->
    try
        Headers = authenticate(Status, Fields, Body, RequestId, Options),
        require(Status =:= 200, {remote, Status}),
        check_content_type(Headers),
        case peer_body:decode(uncompress(Headers, Body, Options), map_get(decode_unsafe_terms, Options)) of
            {ok, {return, Value}} ->
                {ok, Value};
            {ok, {exception, {Class, Reason, Stack}}} when
                is_list(Stack), Class =:= error orelse Class =:= exit orelse Class =:= throw
            ->
                {exception, Class, Reason, Stack};
            _ ->
                {failure, invalid_body}
        end
    catch
        throw:{?MODULE, Failure} -> {failure, Failure}
    end.

authenticate(Status, Fields, Body, RequestId, #{secret := Secret}) ->
    Headers =
        case peer_headers:from_list(Fields) of
            {ok, Found} -> Found;
            {error, Duplicate} -> unauthenticated(Duplicate)
        end,
    case Headers of
        #{<<"x-request-id">> := RequestId} -> ok;
        #{<<"x-request-id">> := _} -> unauthenticated(mismatched_request_id);
        #{} -> unauthenticated(missing_request_id)
    end,
    is_map_key(<<"signature">>, Headers) orelse unauthenticated(missing_signature_header),
    #{<<"signature">> := Parameters} = Headers,
    case peer_signature:verify(Parameters, {response, integer_to_binary(Status)}, Headers, Secret) of
        {ok, Names} ->
            peer_body:digest_matches(map_get(<<"digest">>, Headers), Body) orelse
                unauthenticated(wrong_body_digest),
            maps:with(Names, Headers);
        {error, Reason} ->
            unauthenticated(Reason)
    end.

check_content_type(Headers) ->
    Type = peer_headers:media_type(peer_headers:get(<<"content-type">>, Headers)),
    require(Type =:= {ok, <<"application/x-erlang-etf">>}, invalid_content_type).

uncompress(Headers, Body, #{max_encoded_result_size := Limit}) ->
    require(byte_size(Body) =< Limit, invalid_body),
    case peer_headers:get(<<"content-encoding">>, Headers) of
        <<"gzip">> ->
            case peer_body:gunzip(Body, Limit) of
                {ok, Inflated} -> Inflated;
                {error, _} -> throw({?MODULE, invalid_body})
            end;
        Identity when Identity =:= undefined; Identity =:= <<"identity">> ->
            Body;
        _ ->
            throw({?MODULE, invalid_content_encoding})
    end.

-spec unauthenticated(term()) -> no_return().
unauthenticated(Reason) ->
    throw({?MODULE, {response_authentication, Reason}}).

require(true, _) -> ok;
require(false, Failure) -> throw({?MODULE, Failure}).

-module(peer_request).

%% Signed requests, including invalid ones.
%%
%% Options that corrupt a request:
%%   {method, Atom} {path, Text} {body, Bytes} {request_id, Base64}
%%                                                 replace the defaults
%%   {headers, [{Name, Value | remove}]}           changes headers before signing
%%   {unsigned, [Name]}                            sends headers without signing them
%%   {tamper, [{Name, Value | remove} | body | signature]}  changes parts after signing

-export([build/4]).

-type request() :: #{
    method := atom(),
    path := binary(),
    headers := peer_headers:headers(),
    body := binary(),
    request_id := binary()
}.

-spec build(atom(), atom(), [term()], map()) -> request().
build(Module, Function, Arguments, #{secret := Secret} = Options) ->
    Method = maps:get(method, Options, post),
    Path = path(Module, Function, Arguments, Options),
    {Coding, Body} = body(Method, Arguments, Options),
    RequestId = maps:get(request_id, Options, base64:encode(crypto:strong_rand_bytes(16))),
    Headers = change(headers(Coding, Body, RequestId, Options), maps:get(headers, Options, [])),
    Pseudo = iolist_to_binary([string:lowercase(atom_to_binary(Method)), $\s, Path]),
    Signed = maps:without([to_name(Name) || Name <- maps:get(unsigned, Options, [])], Headers),
    Parameters = peer_signature:sign(request, Pseudo, Signed, Secret),
    Authorized = Headers#{<<"authorization">> => <<"Signature ", Parameters/binary>>},
    tamper(
        #{method => Method, path => Path, headers => Authorized, body => Body, request_id => RequestId},
        maps:get(tamper, Options, [])
    ).

path(_, _, _, #{path := Path}) -> unicode:characters_to_binary(Path);
path(Module, Function, Arguments, _) -> peer_path:format(Module, Function, length(Arguments)).

body(_, _, #{body := Body}) ->
    {identity, Body};
body(Method, _, _) when Method =/= post, Method =/= put, Method =/= patch ->
    {identity, <<>>};
body(_, Arguments, #{gzip := Gzip, compression_threshold := Threshold, minor_version := MinorVersion}) ->
    Coding = case Gzip of true -> gzip; false -> identity end,
    peer_body:compress(peer_body:encode(Arguments, MinorVersion), Coding, Threshold).

headers(Coding, Body, RequestId, #{gzip := Gzip}) ->
    maps:from_list(
        [
            {<<"accept">>, <<"application/x-erlang-etf">>},
            {<<"content-type">>, <<"application/x-erlang-etf">>},
            {<<"content-length">>, integer_to_binary(byte_size(Body))},
            {<<"digest">>, peer_body:digest(Body)},
            {<<"x-request-id">>, RequestId}
        ] ++
            [{<<"accept-encoding">>, <<"gzip">>} || Gzip] ++
            [{<<"content-encoding">>, <<"gzip">>} || Coding =:= gzip]
    ).

change(Headers, Changes) ->
    lists:foldl(
        fun
            ({Name, remove}, Changed) -> maps:remove(to_name(Name), Changed);
            ({Name, Value}, Changed) -> Changed#{to_name(Name) => unicode:characters_to_binary(Value)}
        end,
        Headers,
        Changes
    ).

tamper(Request, []) ->
    Request;
tamper(#{body := Body} = Request, [body | Rest]) ->
    tamper(Request#{body := flip_last_bit(Body)}, Rest);
tamper(#{headers := #{<<"authorization">> := Authorization} = Headers} = Request, [signature | Rest]) ->
    %% Changes the first character of the signature.
    [Before, <<Character, After/binary>>] = binary:split(Authorization, <<",signature=\"">>),
    Other = case Character of $A -> $B; _ -> $A end,
    Spoilt = <<Before/binary, ",signature=\"", Other, After/binary>>,
    tamper(Request#{headers := Headers#{<<"authorization">> := Spoilt}}, Rest);
tamper(#{headers := Headers} = Request, [Change | Rest]) ->
    tamper(Request#{headers := change(Headers, [Change])}, Rest).

flip_last_bit(Body) ->
    Kept = byte_size(Body) - 1,
    <<Start:Kept/binary, Last>> = Body,
    <<Start/binary, (Last bxor 1)>>.

to_name(Name) ->
    unicode:characters_to_binary(Name).

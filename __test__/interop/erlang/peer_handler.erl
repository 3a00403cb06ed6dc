-module(peer_handler).

%% A call on the server, with the checks in the protocol's order.

-export([answer/2]).

-type request() :: #{
    method := binary(),
    target := binary(),
    headers := {ok, peer_headers:headers()} | {error, {duplicate_header, binary()}},
    connection := pos_integer(),
    sequence := pos_integer(),
    read_body := fun((non_neg_integer()) -> binary())
}.
-type response() :: {Status :: 100..599, peer_headers:headers(), Body :: binary()}.
-type options() :: #{atom() => term()}.
-export_type([request/0, response/0, options/0]).

%% Each check adds to the call, or throws a refusal.
-define(CHECKS, [
    fun check_signature/1,
    fun check_method/1,
    fun check_path/1,
    fun check_arity/1,
    fun check_exposed/1,
    fun check_content_type/1,
    fun check_content_encoding/1,
    fun check_accept/1,
    fun check_content_length/1,
    fun check_digest/1,
    fun check_uncompressed/1,
    fun check_term/1,
    fun check_arguments/1
]).

-spec answer(request(), options()) -> response().
answer(#{target := Target} = Request, Options) ->
    case peer_path:is_ours(Target) of
        true -> answer_ours(Request#{options => Options});
        false -> {404, #{<<"content-length">> => <<"0">>}, <<>>}
    end.

answer_ours(Call) ->
    try
        Checked = lists:foldl(fun(Check, Known) -> Check(Known) end, Call, ?CHECKS),
        respond(Checked)
    catch
        throw:{refuse, Refused, Status, Headers, Reason} ->
            Plain = Headers#{
                <<"content-type">> => <<"text/plain">>,
                <<"connection">> => <<"close">>
            },
            sign(Refused, Status, Plain, Reason)
    end.

check_signature(#{headers := {error, Reason}} = Call) ->
    refuse(Call, 401, challenge(#{}), peer_json:text(Reason));
check_signature(#{headers := {ok, Headers}, method := Method, target := Target} = Call) ->
    #{options := #{secret := Secret}} = Call,
    Pseudo = <<(string:lowercase(Method))/binary, " ", Target/binary>>,
    Verified =
        case peer_headers:get(<<"authorization">>, Headers) of
            undefined ->
                {error, missing_authorization_header};
            <<"Signature ", Parameters/binary>> ->
                peer_signature:verify(Parameters, {request, Pseudo}, Headers, Secret);
            _ ->
                {error, invalid_auth_type}
        end,
    HasQuery = binary:match(Target, <<"?">>) =/= nomatch,
    case Verified of
        %% Peers disagree on how a query string is signed.
        {ok, _} when HasQuery ->
            refuse(Call, 401, challenge(Headers), <<"invalid_signature">>);
        %% Later checks see only signed headers.
        {ok, Names} ->
            Signed = maps:with(Names, Headers),
            Call#{headers := Signed, request_id => map_get(<<"x-request-id">>, Signed)};
        {error, Reason} ->
            refuse(Call, 401, challenge(Headers), peer_json:text(Reason))
    end.

check_method(#{method := <<"POST">>} = Call) -> Call;
check_method(Call) -> refuse(Call, 405, <<>>).

check_path(#{target := Target} = Call) ->
    case peer_path:parse(Target) of
        {ok, Path} -> Call#{path => Path};
        error -> refuse(Call, 400, <<"invalid_path">>)
    end.

check_arity(#{path := {_, _, Text}} = Call) ->
    case peer_path:parse_arity(Text) of
        {ok, Arity} -> Call#{arity => Arity};
        error -> refuse(Call, 400, <<"invalid_arity">>)
    end.

check_exposed(#{path := {Module, Function, _}, arity := Arity} = Call) ->
    #{options := #{exposed := Exposed}} = Call,
    case peer_exposed:find(Module, Function, Arity, Exposed) of
        {ok, Found} -> Call#{function => Found};
        {error, not_exposed} -> refuse(Call, 403, <<>>);
        {error, Reason} -> refuse(Call, 404, atom_to_binary(Reason))
    end.

check_content_type(#{headers := Headers} = Call) ->
    case peer_headers:media_type(peer_headers:get(<<"content-type">>, Headers)) of
        {ok, <<"application/x-erlang-etf">>} -> Call;
        {ok, _} -> refuse(Call, 415, <<"unsupported_content_type">>);
        error -> refuse(Call, 400, <<"bad_content_type">>)
    end.

check_content_encoding(#{headers := Headers} = Call) ->
    case peer_headers:get(<<"content-encoding">>, Headers) of
        undefined -> Call#{encoding => identity};
        <<"identity">> -> Call#{encoding => identity};
        <<"gzip">> -> Call#{encoding => gzip};
        _ -> refuse(Call, 415, <<"unsupported_content_encoding">>)
    end.

check_accept(#{headers := Headers} = Call) ->
    case peer_headers:accepts(<<"application/x-erlang-etf">>, peer_headers:get(<<"accept">>, Headers)) of
        true -> Call;
        false -> refuse(Call, 406, <<>>)
    end.

check_content_length(#{headers := Headers, options := #{max_encoded_args_size := Limit}} = Call) ->
    %% The head has been checked, so this is a number.
    case binary_to_integer(maps:get(<<"content-length">>, Headers, <<"0">>)) of
        Length when Length =< Limit -> Call#{length => Length};
        _ -> refuse(Call, 413, <<>>)
    end.

check_digest(#{headers := Headers, length := Length, read_body := ReadBody} = Call) ->
    Body = ReadBody(Length),
    case peer_body:digest_matches(map_get(<<"digest">>, Headers), Body) of
        true -> Call#{body => Body};
        false -> refuse(Call, 401, challenge(Headers), <<"wrong_arguments_digest">>)
    end.

check_uncompressed(#{encoding := identity} = Call) ->
    Call;
check_uncompressed(#{body := Body, options := #{max_encoded_args_size := Limit}} = Call) ->
    case peer_body:gunzip(Body, Limit) of
        {ok, Inflated} -> Call#{body := Inflated};
        {error, too_large} -> refuse(Call, 413, <<>>);
        {error, invalid} -> refuse(Call, 400, <<"unable_to_uncompress_arguments">>)
    end.

check_term(#{body := Body, options := #{decode_unsafe_terms := Unsafe}} = Call) ->
    case peer_body:decode(Body, Unsafe) of
        {ok, Term} -> Call#{arguments => Term};
        error -> refuse(Call, 400, <<"unable_to_decode_arguments">>)
    end.

check_arguments(#{arguments := Arguments, arity := Arity} = Call) ->
    try length(Arguments) of
        Arity -> Call;
        _ -> refuse(Call, 400, <<"inconsistent_arguments_arity">>)
    catch
        error:badarg -> refuse(Call, 400, <<"arguments_not_a_list">>)
    end.

respond(#{headers := Headers, options := Options} = Call) ->
    #{compression_threshold := Threshold, minor_version := MinorVersion} = Options,
    Encoded = peer_body:encode(apply_function(Call), MinorVersion),
    Accepted = peer_headers:preferred_coding(peer_headers:get(<<"accept-encoding">>, Headers)),
    {Coding, Body} = peer_body:compress(Encoded, Accepted, Threshold),
    Fields = #{
        <<"content-type">> => <<"application/x-erlang-etf">>,
        <<"cache-control">> => <<"private, no-cache, no-store, must-revalidate">>,
        <<"pragma">> => <<"no-cache">>,
        <<"expires">> => <<"0">>
    },
    Encoding = maps:from_list([{<<"content-encoding">>, <<"gzip">>} || Coding =:= gzip]),
    sign(Call, 200, maps:merge(Fields, Encoding), Body).

apply_function(#{function := {Module, Function}, arguments := Arguments, options := Options} = Call) ->
    Public = [method, target, headers, length, connection, sequence],
    put(peer_request, maps:with(Public, Call)),
    try
        {return, apply(Module, Function, Arguments)}
    catch
        Class:Reason:Stack ->
            #{return_exception_stacktraces := WithStack} = Options,
            {exception, {Class, Reason, [Frame || WithStack, Frame <- callee_frames(Stack)]}}
    end.

%% Omits the server's own frames.
callee_frames(Stack) ->
    lists:takewhile(fun(Frame) -> element(1, Frame) =/= ?MODULE end, Stack).

refuse(Call, Status, Reason) ->
    refuse(Call, Status, #{}, Reason).

-spec refuse(map(), 400..499, peer_headers:headers(), binary()) -> no_return().
refuse(Call, Status, Headers, Reason) ->
    throw({refuse, Call, Status, Headers, Reason}).

challenge(Headers) ->
    Names = lists:join($\s, peer_signature:demanded(request, Headers)),
    Challenge = [<<"Signature headers=\"">>, Names, <<"\",realm=\"backwater\"">>],
    #{<<"www-authenticate">> => iolist_to_binary(Challenge)}.

%% Completes a response. Only authenticated requests have a known id and get a signed
%% answer.
sign(#{request_id := Id, options := #{secret := Secret}}, Status, Headers, Body) ->
    Fields = (sized(Headers, Body))#{
        <<"digest">> => peer_body:digest(Body),
        <<"x-request-id">> => Id
    },
    Signature = peer_signature:sign(response, integer_to_binary(Status), Fields, Secret),
    {Status, Fields#{<<"signature">> => Signature}, Body};
sign(_, Status, Headers, Body) ->
    {Status, sized(Headers, Body), Body}.

sized(Headers, Body) ->
    Headers#{<<"content-length">> => integer_to_binary(byte_size(Body))}.

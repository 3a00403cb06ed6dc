-module(peer_body).

%% Bodies: encoding, bounded gzip, and digests.

-export([encode/2, decode/2, compress/3, gunzip/2, digest/1, digest_matches/2]).

%% OTP 25 writes atoms as Latin-1 in minor version 1, its default, and as UTF-8
%% in minor version 2, the default since OTP 26.
-spec encode(term(), MinorVersion :: 1 | 2) -> binary().
encode(Term, MinorVersion) ->
    term_to_binary(Term, [{minor_version, MinorVersion}]).

%% Refuses compressed terms (tag 80), which would inflate without a limit.
-spec decode(binary(), Unsafe :: boolean()) -> {ok, term()} | error.
decode(<<131, 80, _/binary>>, _) ->
    error;
decode(Bytes, Unsafe) ->
    try
        {ok, binary_to_term(Bytes, [safe || not Unsafe])}
    catch
        error:badarg -> error
    end.

%% Gzips bodies from the threshold on, if that makes them smaller.
-spec compress(binary(), gzip | identity, non_neg_integer() | infinity) ->
    {gzip | identity, binary()}.
compress(Bytes, gzip, Threshold) when is_integer(Threshold), byte_size(Bytes) >= Threshold ->
    case zlib:gzip(Bytes) of
        Smaller when byte_size(Smaller) < byte_size(Bytes) -> {gzip, Smaller};
        _ -> {identity, Bytes}
    end;
compress(Bytes, _, _) ->
    {identity, Bytes}.

%% Inflates the first member. Exceeds Limit by at most one chunk. `invalid` includes
%% bad checksums and truncated input.
-spec gunzip(binary(), Limit :: non_neg_integer()) -> {ok, binary()} | {error, invalid | too_large}.
gunzip(Bytes, Limit) ->
    Z = zlib:open(),
    try
        %% 16 + 15 window bits: gzip only, not zlib.
        zlib:inflateInit(Z, 31, cut),
        Result = inflate(Z, zlib:safeInflate(Z, Bytes), Limit, []),
        %% Raises data_error unless the trailer is present and correct.
        element(1, Result) =:= ok andalso zlib:inflateEnd(Z),
        Result
    catch
        error:_ -> {error, invalid}
    after
        zlib:close(Z)
    end.

-spec digest(iodata()) -> binary().
digest(Bytes) ->
    <<"SHA-256=", (base64:encode(crypto:hash(sha256, Bytes)))/binary>>.

-spec digest_matches(binary(), binary()) -> boolean().
digest_matches(Header, Bytes) ->
    Expected = digest(Bytes),
    byte_size(Header) =:= byte_size(Expected) andalso crypto:hash_equals(Header, Expected).

inflate(Z, {Continue, Chunk}, Limit, Chunks) ->
    Left = Limit - iolist_size(Chunk),
    if
        Left < 0 -> {error, too_large};
        Continue =:= finished -> {ok, iolist_to_binary(lists:reverse([Chunk | Chunks]))};
        true -> inflate(Z, zlib:safeInflate(Z, []), Left, [Chunk | Chunks])
    end.

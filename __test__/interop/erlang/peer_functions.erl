-module(peer_functions).

%% The functions of the exposed module `peer`, which cannot have that name here, because
%% the standard library has one. Names may be binaries.

-export([
    echo/1,
    raise/2,
    sample/1,
    sample_names/0,
    equals/2,
    same/2,
    describe/1,
    size/1,
    sleep/1,
    big_binary/1,
    random_binary/1,
    request/0
]).

-spec echo(Term) -> Term.
echo(Term) -> Term.

-spec raise(error | exit | throw | binary(), term()) -> no_return().
raise(Class, Reason) when is_binary(Class) -> raise(binary_to_existing_atom(Class), Reason);
raise(error, Reason) -> erlang:error(Reason);
raise(exit, Reason) -> exit(Reason);
raise(throw, Reason) -> throw(Reason).

%% The sample of this name.
-spec sample(atom() | binary()) -> term().
sample(Name) ->
    map_get(to_atom(Name), peer_samples:all()).

-spec sample_names() -> [atom()].
sample_names() ->
    lists:sort(maps:keys(peer_samples:all())).

%% Whether the term equals the sample. Comparing encodings distinguishes -0.0 from 0.0.
-spec equals(atom() | binary(), term()) -> boolean().
equals(Name, Term) ->
    Sample = sample(Name),
    Term =:= Sample andalso term_to_binary(Term) =:= term_to_binary(Sample).

%% Another name for equals/2.
-spec same(atom() | binary(), term()) -> boolean().
same(Name, Term) -> equals(Name, Term).

%% The term as Erlang prints it, on one line.
-spec describe(term()) -> binary().
describe(Term) -> peer_json:text(Term).

%% Bytes of a binary, items of a list, elements of a tuple, pairs of a map.
-spec size(binary() | list() | tuple() | map()) -> non_neg_integer().
size(Binary) when is_binary(Binary) -> byte_size(Binary);
size(List) when is_list(List) -> length(List);
size(Tuple) when is_tuple(Tuple) -> tuple_size(Tuple);
size(Map) when is_map(Map) -> map_size(Map).

-spec sleep(Milliseconds :: non_neg_integer()) -> ok.
sleep(Milliseconds) -> timer:sleep(Milliseconds).

%% Bytes that compress well: 0, 1, … 250, 0, 1, …
-spec big_binary(non_neg_integer()) -> binary().
big_binary(Size) ->
    Pattern = list_to_binary(lists:seq(0, 250)),
    binary:part(binary:copy(Pattern, Size div 251 + 1), 0, Size).

%% Bytes that do not compress, the same each time.
-spec random_binary(non_neg_integer()) -> binary().
random_binary(Size) ->
    {Bytes, _} = rand:bytes_s(Size, rand:seed_s(exsss, 1)),
    Bytes.

%% The current request: method, target, signed headers, size of its body as sent, number
%% of the connection, and its number on the connection. The server stores it in the
%% process dictionary.
-spec request() -> map().
request() -> get(peer_request).

to_atom(Name) when is_atom(Name) -> Name;
to_atom(Name) when is_binary(Name) -> binary_to_existing_atom(Name).

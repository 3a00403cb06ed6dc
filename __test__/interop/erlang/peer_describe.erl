-module(peer_describe).

%% Terms as JSON, in the form of vectors/terms/*.jsonl.

-export([term/1]).

-spec term(term()) -> iodata().
term(Integer) when is_integer(Integer) -> member("int", [$", integer_to_binary(Integer), $"]);
term(Float) when is_float(Float) -> member("float", hex(<<Float:64/float>>));
term(Atom) when is_atom(Atom) -> member("atom", name(Atom));
term(Binary) when is_binary(Binary) -> member("bin", base64(Binary));
term(Bits) when is_bitstring(Bits) -> member("bits", bits(Bits));
term(Tuple) when is_tuple(Tuple) -> member("tuple", terms(tuple_to_list(Tuple)));
term(List) when is_list(List) -> list(List, []);
term(Map) when is_map(Map) ->
    member("map", terms([[Key, Value] || {Key, Value} <- maps:to_list(Map)], fun pair/1));
term(Pid) when is_pid(Pid) ->
    {Node, <<Id:32, Serial:32, Creation:32>>} = parts(Pid),
    identifier("pid", Node, [{"id", Id}, {"serial", Serial}, {"creation", Creation}]);
term(Port) when is_port(Port) ->
    {Node, Rest} = parts(Port),
    Size = byte_size(Rest) * 8 - 32,
    <<Id:Size, Creation:32>> = Rest,
    member("port", [
        "{\"node\":", Node, ",\"id\":\"", integer_to_binary(Id), "\",\"creation\":",
        integer_to_binary(Creation), $}
    ]);
term(Reference) when is_reference(Reference) ->
    {Node, <<Creation:32, Ids/binary>>} = parts(Reference),
    identifier("ref", Node, [{"creation", Creation}, {"ids", [Id || <<Id:32>> <= Ids]}]);
term(Fun) when is_function(Fun) ->
    case erlang:fun_info(Fun, type) of
        {type, external} -> member("extfun", external(Fun));
        {type, local} -> member("fun", peer_json:encode(peer_json:text(Fun)))
    end.

list([Head | Tail], Items) -> list(Tail, [Head | Items]);
list([], Items) -> member("list", terms(lists:reverse(Items)));
list(Tail, Items) ->
    ["{\"list\":", terms(lists:reverse(Items)), ",\"tail\":", term(Tail), $}].

terms(Terms) -> terms(Terms, fun term/1).

terms(Terms, Describe) -> [$[, lists:join($,, [Describe(Term) || Term <- Terms]), $]].

pair([Key, Value]) -> [$[, term(Key), $,, term(Value), $]].

bits(Bits) ->
    Used = bit_size(Bits) rem 8,
    [$[, base64(<<Bits/bitstring, 0:(8 - Used)>>), $,, integer_to_binary(Used), $]].

external(Fun) ->
    [Module, Name, Arity] = [element(2, erlang:fun_info(Fun, I)) || I <- [module, name, arity]],
    [$[, name(Module), $,, name(Name), $,, integer_to_binary(Arity), $]].

%% The node of a pid, port or reference, and the encoded bytes after it.
parts(Identifier) ->
    <<131, Tag, Encoded/binary>> = term_to_binary(Identifier, [{minor_version, 2}]),
    {Node, Rest} = node_of(if Tag =:= 90 -> skip_count(Encoded); true -> Encoded end),
    {peer_json:encode(Node), Rest}.

skip_count(<<_:16, Encoded/binary>>) -> Encoded.

node_of(<<119, Size, Name:Size/binary, Rest/binary>>) -> {Name, Rest};
node_of(<<118, Size:16, Name:Size/binary, Rest/binary>>) -> {Name, Rest}.

identifier(Kind, Node, Fields) ->
    Members = [[",\"", Name, "\":", peer_json:encode(Value)] || {Name, Value} <- Fields],
    member(Kind, ["{\"node\":", Node, Members, $}]).

member(Name, Json) -> ["{\"", Name, "\":", Json, $}].

name(Atom) -> peer_json:encode(atom_to_binary(Atom)).

base64(Binary) -> [$", base64:encode(Binary), $"].

hex(Binary) -> [$", binary:encode_hex(Binary), $"].

-module(peer_json).

%% Writes JSON. Maps become objects, and UTF-8 binaries strings.

-export([encode/1, text/1]).

-type json() ::
    null | boolean() | number() | binary() | [json()] | #{atom() | binary() => json()}.
-export_type([json/0]).

-spec encode(json()) -> iodata().
encode(null) -> <<"null">>;
encode(true) -> <<"true">>;
encode(false) -> <<"false">>;
encode(Integer) when is_integer(Integer) -> integer_to_binary(Integer);
encode(Float) when is_float(Float) -> float_to_binary(Float, [short]);
encode(String) when is_binary(String) -> string(String);
encode(List) when is_list(List) -> [$[, lists:join($,, [encode(Item) || Item <- List]), $]];
encode(Map) when is_map(Map) ->
    [${, lists:join($,, [[key(Key), $:, encode(Value)] || {Key, Value} <- maps:to_list(Map)]), $}].

%% A term as Erlang source on one line, in UTF-8.
-spec text(term()) -> binary().
text(Term) ->
    case unicode:characters_to_binary(io_lib:format("~0tp", [Term])) of
        Text when is_binary(Text) -> Text;
        _ -> iolist_to_binary(io_lib:format("~0p", [Term]))
    end.

key(Key) when is_atom(Key) -> string(atom_to_binary(Key));
key(Key) when is_binary(Key) -> string(Key).

string(String) ->
    [$", <<<<(character(Byte))/binary>> || <<Byte>> <= String>>, $"].

character($") -> <<"\\\"">>;
character($\\) -> <<"\\\\">>;
character(Byte) when Byte < 16#20 -> iolist_to_binary(io_lib:format("\\u~4.16.0b", [Byte]));
character(Byte) -> <<Byte>>.

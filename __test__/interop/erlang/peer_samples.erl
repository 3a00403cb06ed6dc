-module(peer_samples).

%% Samples of every kind of term and of every boundary of the format.

-export([all/0]).

%% Each term by name, and for each group the list of its terms.
-spec all() -> #{Name :: atom() => term()}.
all() ->
    Groups = #{
        integers => integers(),
        floats => floats(),
        atoms => atoms(),
        binaries => binaries(),
        bitstrings => bitstrings(),
        lists => lists(),
        tuples => tuples(),
        maps => maps(),
        opaque => opaque(),
        nested => nested()
    },
    Terms = maps:fold(fun(_, Group, All) -> maps:merge(All, Group) end, #{}, Groups),
    maps:merge(Terms, maps:map(fun(_, Group) -> maps:values(Group) end, Groups)).

integers() ->
    #{
        zero => 0,
        one => 1,
        minus_one => -1,
        byte_max => 255,
        above_byte => 256,
        int28_max => 16#7FFFFFF,
        above_int28 => 16#8000000,
        int28_min => -16#8000000,
        below_int28 => -16#8000001,
        int32_max => 16#7FFFFFFF,
        above_int32 => 16#80000000,
        int32_min => -16#80000000,
        below_int32 => -16#80000001,
        safe_max => (1 bsl 53) - 1,
        above_safe => 1 bsl 53,
        far_above_safe => (1 bsl 53) + 1,
        safe_min => 1 - (1 bsl 53),
        below_safe => -(1 bsl 53),
        int64_max => (1 bsl 63) - 1,
        int64_min => -(1 bsl 63),
        uint64_max => (1 bsl 64) - 1,
        above_uint64 => 1 bsl 64,
        small_big_max => (1 bsl 2040) - 1,
        small_big_min => 1 - (1 bsl 2040),
        large_big => 1 bsl 2040,
        large_big_negative => -(1 bsl 2040)
    }.

floats() ->
    #{
        float_zero => 0.0,
        float_minus_zero => -0.0,
        float_one => 1.0,
        float_fraction => -2.5,
        float_pi => 3.141592653589793,
        float_above_safe => 1.0e21,
        float_smallest => 5.0e-324,
        float_largest => 1.7976931348623157e308
    }.

atoms() ->
    #{
        atom_ok => ok,
        atom_true => true,
        atom_false => false,
        atom_nil => nil,
        atom_null => null,
        atom_undefined => undefined,
        atom_empty => '',
        atom_with_space => 'hello world',
        atom_latin1 => 'caf\x{e9}',
        atom_greek => '\x{3bb}',
        atom_astral => '\x{1f600}',
        atom_longest => list_to_atom(lists:duplicate(255, $a)),
        atom_longest_astral => list_to_atom(lists:duplicate(255, 16#1F600))
    }.

binaries() ->
    #{
        binary_empty => <<>>,
        binary_ascii => <<"hello">>,
        binary_latin1 => <<"caf\x{e9}"/utf8>>,
        binary_utf8 => <<"\x{3bb} \x{65e5}\x{672c} \x{1f600}"/utf8>>,
        binary_invalid_utf8 => <<255, 254, 0, 128>>,
        binary_surrogate => <<16#ED, 16#A0, 16#80>>,
        binary_nul => <<"a", 0, "b">>,
        binary_every_byte => list_to_binary(lists:seq(0, 255))
    }.

bitstrings() ->
    #{
        bitstring_1 => <<1:1>>,
        bitstring_7 => <<5:7>>,
        bitstring_long => <<"hello", 5:3>>
    }.

lists() ->
    #{
        list_empty => [],
        list_one => [1],
        list_atoms => [a, b, c],
        list_mixed => [1, 2.0, three, <<"four">>, [5], {6}],
        charlist => "hello",
        charlist_unicode => [16#3BB, 16#1F600],
        byte_list_longest => lists:duplicate(65535, 7),
        byte_list_too_long => lists:duplicate(65536, 7),
        improper_pair => [a | b],
        improper_bytes => [1, 2 | 3],
        improper_binary_tail => [<<"a">> | <<"b">>]
    }.

tuples() ->
    #{
        tuple_empty => {},
        tuple_one => {ok},
        tuple_pair => {error, enoent},
        tuple_nested => {a, {b, {c, {}}}},
        tuple_small_longest => list_to_tuple(lists:seq(1, 255)),
        tuple_large => list_to_tuple(lists:seq(1, 256))
    }.

maps() ->
    #{
        map_empty => #{},
        map_atom_keys => #{id => 1, name => <<"a">>},
        map_binary_keys => #{<<"id">> => 1, <<"name">> => <<"a">>},
        map_mixed_keys => #{id => 1, <<"id">> => 2},
        map_integer_and_float_keys => #{1 => integer, 1.0 => float},
        map_term_keys => #{{1, 2} => tuple, [1, 2] => list, #{} => map, <<1:1>> => bits},
        map_proto_key => #{<<"__proto__">> => <<"own">>, <<"constructor">> => 1},
        map_numeric_binary_keys => #{<<"1">> => a, <<"10">> => b, <<"2">> => c},
        %% Above 32 pairs, a map is an unordered hash trie.
        large_map => maps:from_list([{I, I * I} || I <- lists:seq(1, 100)]),
        map_nested => #{a => #{b => #{c => [#{}]}}}
    }.

%% Identifiers of other nodes, and functions that are not loaded here.
opaque() ->
    Atom = fun(Name) -> <<119, (byte_size(Name)), Name/binary>> end,
    Node = Atom(<<"node@example.org">>),
    Module = Atom(<<"a_module">>),
    Pid = <<88, Node/binary, 100:32, 7:32, 1700000000:32>>,
    Bytes = #{
        pid => Pid,
        port => <<89, Node/binary, 42:32, 1700000000:32>>,
        port_64_bits => <<120, Node/binary, (1 bsl 40):64, 1700000000:32>>,
        reference => <<90, 3:16, Node/binary, 1700000000:32, 1:32, 2:32, 3:32>>,
        reference_5_words => <<90, 5:16, Node/binary, 1700000000:32, 1:32, 2:32, 3:32, 4:32, 5:32>>,
        external_fun => <<113, Module/binary, (Atom(<<"a_function">>))/binary, 97, 3>>,
        closure => closure(<<Module/binary, 97, 0, 97, 9, Pid/binary, (Atom(<<"free">>))/binary>>)
    },
    maps:map(fun(_, Encoded) -> binary_to_term(<<131, Encoded/binary>>) end, Bytes).

%% NEW_FUN_EXT with arity 2, one free variable, index 0.
closure(Rest) ->
    Fun = <<2, 16#0123456789ABCDEF0123456789ABCDEF:128, 0:32, 1:32, Rest/binary>>,
    <<112, (byte_size(Fun) + 4):32, Fun/binary>>.

nested() ->
    #{
        deep_list => lists:foldl(fun(_, Inner) -> [Inner] end, [], lists:seq(1, 900)),
        deep_tuple => lists:foldl(fun(I, Inner) -> {I, Inner} end, leaf, lists:seq(1, 900)),
        records => [
            #{id => I, name => <<"name ", (integer_to_binary(I))/binary>>, tags => [a, b], score => I / 4}
         || I <- lists:seq(1, 20)
        ]
    }.

# Shipping, in Elixir. Your program would depend on backwater from Hex and call
#   :backwater.start_tls_server(secret, [Shipping], options)
# and callers would name it 'Elixir.Shipping'. To run without Hex, this one uses the Erlang server of the
# interoperability tests.
defmodule Shipping do
  def quote(country, weight) do
    %{country: country, days: if(country == "DE", do: 2, else: 5), price: 4.5 + 0.5 * weight}
  end
end

for source <- Path.wildcard(Path.join(__DIR__, "../../__test__/interop/erlang/*.erl")) do
  {:ok, module, code} = :compile.file(String.to_charlist(Path.rootname(source)), [:binary])
  {:module, _} = :code.load_binary(module, String.to_charlist(source), code)
end

Application.put_env(:peer, :exposed, [{"shipping", Shipping}])
:peer_server.main(Enum.map(System.argv(), &String.to_charlist/1))

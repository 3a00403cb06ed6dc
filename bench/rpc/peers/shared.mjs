/** Spreads calls over several connections. */
export function inTurns(connections = 1, connect) {
  const clients = Array.from({ length: connections }, connect);
  let turn = 0;
  return {
    call: (workload) => clients[turn++ % connections].call(workload),
    close: () => Promise.all(clients.map((client) => client.close())),
  };
}

export function listening(server) {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', 1024, () => resolve({ port: server.address().port }));
  });
}

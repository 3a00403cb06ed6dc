// Stock: exposes a method of a class, with validated arguments, to the caller 'orders' only.
import { expose, startTlsServer } from 'backwater';
import { opentelemetry } from 'backwater/opentelemetry';
import { z } from 'zod';

class OutOfStock extends Error {
  name = 'OutOfStock';
  code = 'out_of_stock';
  constructor(item, left) {
    super(`${left} of ${item} left`);
    this.data = { item, left }; // error.remote.data at the caller
  }
}

const reservation = z.tuple([z.string().trim(), z.number().int().min(1)]);

class Stock {
  #left = new Map([
    ['apple', 5],
    ['pear', 0],
  ]);

  take = expose.fn(
    (context, item, count) => {
      const left = this.#left.get(item) ?? 0;
      if (left < count) throw new OutOfStock(item, left);
      this.#left.set(item, left - count);
      return { item, left: left - count, for: context.metadata.get('tenant') };
    },
    { args: reservation, context: true },
  );

  restock(item, count) {
    this.#left.set(item, count); // not exposed
  }
}

export const startStock = (secrets, tls) =>
  startTlsServer(
    { orders: secrets.orders }, // the holder of this secret is the caller 'orders'
    { stock: expose(new Stock(), { exports: ['take'], callers: ['orders'] }) },
    { host: '127.0.0.1', port: 0, health: '/health', tls, interceptors: [opentelemetry()] },
  );

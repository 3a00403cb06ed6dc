import test from 'ava';
import { PendingTable } from '../src/bridge/pending-table.js';

test('an operation is taken once and only by its own number', (t) => {
  const table = new PendingTable<string>();
  const [first, second] = [table.newId(), table.newId()];
  table.set(first, 'first');
  table.set(second, 'second');
  t.is(table.size, 2);
  t.is(table.take(first), 'first');
  t.is(table.take(first), undefined);
  t.deepEqual(table.ids(), [second]);
  t.is(table.take(second), 'second');
  t.is(table.size, 0);
});

test('thousands of operations get distinct numbers while another one never ends', (t) => {
  const table = new PendingTable<number>();
  const lasting = table.newId();
  table.set(lasting, lasting);
  let waiting: number[] = [];
  for (let round = 0; round < 100; round++) {
    for (let call = 0; call < 300; call++) {
      const id = table.newId();
      table.set(id, id);
      waiting.push(id);
    }
    const ended = waiting.filter((id) => id % 7 !== round % 7);
    waiting = waiting.filter((id) => id % 7 === round % 7);
    for (const id of ended) {
      t.is(table.take(id), id);
      t.is(table.take(id), undefined);
    }
    t.is(table.size, waiting.length + 1);
  }
  t.is(table.take(lasting), lasting);
});

test('a reserved number stays reserved while others are used', (t) => {
  const table = new PendingTable<string>();
  // Encoding arguments may run getters, which make calls.
  const outer = table.newId();
  for (let call = 0; call < 1000; call++) {
    const id = table.newId();
    table.set(id, 'inner');
    if (call % 2 === 0) table.take(id);
  }
  table.set(outer, 'outer');
  t.is(table.size, 501);
  t.is(table.take(outer), 'outer');
  t.is(table.size, 500);
  t.is(new Set(table.ids()).size, 500);
});

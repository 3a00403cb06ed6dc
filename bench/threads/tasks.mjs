/** What the threads do. */
export const TASKS = [
  'terms',
  'serve and close',
  'exit in the middle of calls',
  'throw',
  'a thread of its own',
  'terminated while it starts',
  'terminated in the middle of calls',
];

// What those can send who have the secret.
import { answer, request } from './signing.mjs';

export const after = [
  {
    side: 'server',
    stage: 'after',
    name: 'a call without arguments',
    base: true,
    input: () => request(),
  },
  {
    side: 'client',
    stage: 'after',
    name: 'an atom as result',
    base: true,
    input: (requestId) => answer(requestId),
  },
];

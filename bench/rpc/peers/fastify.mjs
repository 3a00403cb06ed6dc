// With a schema, as its documentation advises.
import { createRequire } from 'node:module';
import { plain } from './json.mjs';

export const title = 'Fastify: JSON';
export const client = 'json';
export const { request } = plain;

const record = {
  type: 'object',
  properties: {
    id: { type: 'integer' },
    name: { type: 'string' },
    email: { type: 'string' },
    active: { type: 'boolean' },
    score: { type: 'number' },
    tags: { type: 'array', items: { type: 'string' } },
    created: { type: 'integer' },
  },
};

export async function serve() {
  const fastify = createRequire(import.meta.url)('fastify')({ bodyLimit: 1 << 26 });
  const routes = {
    '/record': [record, (request) => request.body],
    '/records': [{ type: 'array', items: record }, (request) => request.body],
    '/binary': [
      { type: 'string' },
      (request) => JSON.stringify(Buffer.from(request.body, 'base64').toString('base64')),
    ],
  };
  for (const [path, [schema, handler]] of Object.entries(routes)) {
    fastify.post(path, { schema: { response: { 200: schema } } }, (request, reply) => {
      reply.type('application/json');
      reply.send(handler(request));
    });
  }
  await fastify.listen({ port: 0, host: '127.0.0.1', backlog: 1024 });
  return { port: fastify.server.address().port };
}

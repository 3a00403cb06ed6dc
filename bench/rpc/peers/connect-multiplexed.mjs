// connect with its calls on few connections, which is how its clients do it.
import * as connect from './connect.mjs';

export const title = `${connect.title}, 4 connections`;
/** The same server. */
export const serverOf = 'connect';
export const connections = 4;
export const { request } = connect;

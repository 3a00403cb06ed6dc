// grpc with its calls on few connections, which is how its clients do it.
import * as grpc from './grpc.mjs';

export const title = `${grpc.title}, 4 connections`;
/** The same server. */
export const serverOf = 'grpc';
export const connections = 4;
export const { request } = grpc;
